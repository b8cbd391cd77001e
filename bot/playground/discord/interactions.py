"""The bot's side of interactions: callbacks, original answers, follow-ups (see also members)."""

import secrets
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from bot.playground.discord.cdn import FILE_BYTES_MAX
from bot.playground.discord.changes import Event, EventKind
from bot.playground.discord.errors import Form, Json, known, refusal
from bot.playground.discord.messages import CREATE_FLAGS, REPLY, Messages, number_components
from bot.playground.discord.rest import ApiRequest, Endpoint
from bot.playground.discord.validation import check_modal
from bot.playground.discord.world import Channel, Message, MessageFlag, User

# Source: Discord docs, "Receiving and Responding".
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
ANSWER, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
FIRST_ANSWER_S_MAX = 3.0
TOKEN_LIFE_S = 15 * 60
CHOICES_MAX = 25
PRIVATE_FOLLOW_UPS_MAX = 5  #: where only the user has installed the app
ALLOWED_ANSWERS = {
    COMMAND: (ANSWER, DEFER, MODAL),
    COMPONENT: (ANSWER, DEFER, DEFER_UPDATE, UPDATE, MODAL),
    AUTOCOMPLETE: (CHOICES,),
    MODAL_SUBMIT: (ANSWER, DEFER),
}
CHAT_INPUT_COMMAND, CONTEXT_MENU_COMMAND = 20, 23  #: types of the messages that answer commands

#: Interactions whose messages the bot can still reach; the oldest are forgotten first.
INTERACTIONS_KEPT_MAX = 20_000


class Interaction(Struct):
    """Something that a member did and the bot has to answer."""

    id: int
    token: str
    type: int
    user: User
    channel: Channel
    data: Json
    created_at_s: float
    file_bytes_max: int
    #: the message whose component was used, as it was at that moment
    source: Message | None = None
    #: the interaction whose answer was the submitted modal
    opened_by: "Interaction | None" = None
    #: the type of the first answer, once there is one
    answered_with: int | None = None
    original_id: int | None = None
    #: the original answer and the follow-ups
    message_ids: list[int] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
    #: what the gateway sent
    event: Json = field(default_factory=dict)


class Interactions:
    """Sends interactions to the bot and receives its answers."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._world = messages.world
        self._by_token: dict[str, Interaction] = {}
        #: settable; the largest file in answers to interactions opened from now on
        self.file_bytes_max = FILE_BYTES_MAX

    def routes(self) -> list[Endpoint]:
        """Return the endpoints that this class answers."""
        webhook = "/webhooks/{webhook_id}/{webhook_token}"
        original, one = webhook + "/messages/@original", webhook + "/messages/{message_id}"
        callback = "/interactions/{interaction_id}/{interaction_token}/callback"
        routes: list[Endpoint] = [
            ("POST", callback, self.answer),
            ("POST", webhook, self.follow_up),
        ]
        for template in (original, one):
            routes += [
                ("GET", template, self.get_message),
                ("PATCH", template, self.edit_message),
                ("DELETE", template, self.delete_message),
            ]
        return routes

    def open(
        self, kind: int, user: User, channel: Channel, data: Json, **context: Any
    ) -> Interaction:
        """
        Send an interaction to the bot.

        Args:
            context: further fields of the Interaction: its source, or what has opened it.
        """
        world, payloads = self._world, self._messages.payloads
        interaction = Interaction(
            world.new_id(),
            secrets.token_urlsafe(96),
            kind,
            user,
            channel,
            data,
            world.clock.now_s(),
            self.file_bytes_max,
            **context,
        )
        while len(self._by_token) >= INTERACTIONS_KEPT_MAX:
            del self._by_token[next(iter(self._by_token))]
        self._by_token[interaction.token] = interaction
        interaction.event = {
            "id": str(interaction.id),
            "application_id": str(world.application_id),
            "type": kind,
            "token": interaction.token,
            "data": data,
            "attachment_size_limit": interaction.file_bytes_max,
            **payloads.context(user, channel),
        }
        if interaction.source is not None:
            interaction.event["message"] = payloads.message(interaction.source, full=True)
        self.send(interaction)
        return interaction

    def send(self, interaction: Interaction) -> None:
        """Send an interaction to the bot; may be called again, as Discord sometimes repeats one."""
        self._messages.gateway.dispatch(
            "INTERACTION_CREATE", interaction.event, interaction.channel.guild_id
        )

    def limit_of(self, params: Mapping[str, str]) -> int:
        """Return how many bytes a file may have in a request with these path parameters."""
        token = params.get("interaction_token") or params.get("webhook_token") or ""
        interaction = self._by_token.get(token)
        return interaction.file_bytes_max if interaction else FILE_BYTES_MAX

    def answer(self, call: ApiRequest) -> Json | None:
        """Answer `POST /interactions/{interaction_id}/{interaction_token}/callback`."""
        interaction = self._by_token.get(call.params["interaction_token"])
        if interaction is None or interaction.id != call.id("interaction_id"):
            raise refusal(10062)
        if interaction.answered_with is not None:
            raise refusal(40060)
        if self._world.clock.now_s() - interaction.created_at_s > FIRST_ANSWER_S_MAX:
            raise refusal(10062)
        self._check_channel(interaction)
        body = call.json_object()
        kind, data = int(body.get("type") or 0), body.get("data") or {}
        allowed = ALLOWED_ANSWERS[interaction.type]
        if interaction.type == MODAL_SUBMIT and interaction.source is not None:
            allowed = (*allowed, DEFER_UPDATE, UPDATE)
        form = Form()
        form.choice(("type",), kind, allowed)
        form.close()
        message = self._carry_out(interaction, kind, data, call)
        interaction.answered_with = kind
        event: EventKind = "modal_opened" if kind == MODAL else "interaction_answered"
        self._messages.changes.notify(Event(event, interaction.channel.id, message, interaction.id))
        if call.query.get("with_response", "").lower() not in ("1", "true"):
            return None
        return self._callback_response(interaction, kind, message)

    def follow_up(self, call: ApiRequest) -> Json | None:
        """Answer `POST /webhooks/{webhook_id}/{webhook_token}`."""
        interaction = self._by_webhook(call)
        body = call.json_object()
        original = self._current(interaction, interaction.original_id)
        if original is not None and original.is_loading:
            # The first follow-up after "thinking" replaces that message and keeps its visibility.
            flags = original.flags | (MessageFlag(int(body.get("flags") or 0)) & CREATE_FLAGS)
            message = self._messages.edit(replace(original, flags=flags), body, call.files)
        else:
            made = len(set(interaction.message_ids) - {interaction.original_id})
            if interaction.channel.people and made >= PRIVATE_FOLLOW_UPS_MAX:
                raise refusal(40094)
            message = self._create(interaction, body, call.files)
        return self._messages.payloads.message(message)

    def get_message(self, call: ApiRequest) -> Json:
        """Answer a GET of the original answer or of a follow-up."""
        return self._messages.payloads.message(self._find(call))

    def edit_message(self, call: ApiRequest) -> Json:
        """Answer a PATCH of the original answer or of a follow-up."""
        message = self._messages.edit(self._find(call), call.json_object(), call.files)
        return self._messages.payloads.message(message)

    def delete_message(self, call: ApiRequest) -> None:
        """Answer a DELETE of the original answer or of a follow-up."""
        self._messages.delete(self._find(call))

    def _carry_out(
        self, interaction: Interaction, kind: int, data: Json, call: ApiRequest
    ) -> Message | None:
        if kind == ANSWER:
            return self._create(interaction, data, call.files, ("data",), is_original=True)
        if kind == DEFER:
            return self._defer(interaction, data)
        if kind in (UPDATE, DEFER_UPDATE):
            source_id = interaction.source.id if interaction.source else 0
            source = known(self._current(interaction, source_id), 10008)
            if kind == UPDATE:
                source = self._messages.edit(source, data, call.files, ("data",))
            return self._keep_original(interaction, source)
        form = Form(("data",))
        if kind == CHOICES:
            form.length(("choices",), data.get("choices"), 0, CHOICES_MAX)
            for index, choice in enumerate(data.get("choices") or []):
                form.length(("choices", index, "name"), choice.get("name"), 1, 100)
            form.close()
            interaction.choices = data["choices"]
        else:
            check_modal(form, data)
            form.close()
            number_components(data["components"])
            interaction.modal = data
        return None

    def _create(
        self,
        interaction: Interaction,
        body: Json,
        files: Mapping[int, Any],
        prefix: tuple[str, ...] = (),
        *,
        is_original: bool = False,
    ) -> Message:
        flags = MessageFlag(int(body.get("flags") or 0)) & (CREATE_FLAGS | MessageFlag.EPHEMERAL)
        draft = self._draft(interaction, flags, is_original=is_original)
        message = self._messages.publish(self._messages.apply(draft, body, files, prefix))
        if is_original:
            return self._keep_original(interaction, message)
        interaction.message_ids.append(message.id)
        return message

    def _keep_original(self, interaction: Interaction, message: Message) -> Message:
        interaction.original_id = message.id
        interaction.message_ids.append(message.id)
        return message

    def _defer(self, interaction: Interaction, data: Json) -> Message:
        flags = MessageFlag(int(data.get("flags") or 0))
        if flags & ~MessageFlag.EPHEMERAL:
            form = Form(("data",))
            text = "Only MessageFlags.EPHEMERAL can be set when deferring."
            form.complain(("flags",), "MESSAGE_FLAGS_INVALID", text)
            form.close()
        draft = self._draft(interaction, flags | MessageFlag.LOADING, is_original=True)
        return self._keep_original(interaction, self._messages.publish(draft))

    def _draft(self, interaction: Interaction, flags: MessageFlag, *, is_original: bool) -> Message:
        kind = CHAT_INPUT_COMMAND
        if (interaction.opened_by or interaction).data.get("type", 1) != 1:
            kind = CONTEXT_MENU_COMMAND
        reply_to_id = None
        if not is_original:
            kind, reply_to_id = REPLY, interaction.original_id
        elif interaction.source is not None:
            kind, reply_to_id = REPLY, interaction.source.id
        visible_to_id = interaction.user.id if flags & MessageFlag.EPHEMERAL else None
        return self._messages.draft(
            interaction.channel,
            self._world.bot,
            type=kind,
            flags=flags,
            reply_to_id=reply_to_id,
            visible_to_id=visible_to_id,
            interaction=self._metadata(interaction),
        )

    def _metadata(self, interaction: Interaction) -> Json:
        written: Json = {
            "id": str(interaction.id),
            "type": interaction.type,
            "user": self._messages.payloads.user(interaction.user),
            "authorizing_integration_owners": self._messages.payloads.owners(
                interaction.user, interaction.channel
            ),
        }
        if interaction.type == COMMAND:
            written |= {"name": interaction.data["name"], "command_type": interaction.data["type"]}
        if interaction.source is not None:
            written["interacted_message_id"] = str(interaction.source.id)
        if interaction.opened_by is not None:
            written["triggering_interaction_metadata"] = self._metadata(interaction.opened_by)
        return written

    def _callback_response(
        self, interaction: Interaction, kind: int, message: Message | None
    ) -> Json:
        about: Json = {"id": str(interaction.id), "type": interaction.type}
        if message is None:
            return {"interaction": about}
        about |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.is_loading,
            "response_message_ephemeral": message.is_ephemeral,
        }
        written = self._messages.payloads.message(message)
        return {"interaction": about, "resource": {"type": kind, "message": written}}

    def _by_webhook(self, call: ApiRequest) -> Interaction:
        interaction = self._by_token.get(call.params["webhook_token"])
        is_ours = call.id("webhook_id") == self._world.application_id
        if interaction is None or not is_ours or interaction.answered_with in (None, CHOICES):
            raise refusal(10015)
        if self._world.clock.now_s() - interaction.created_at_s > TOKEN_LIFE_S:
            raise refusal(50027)
        self._check_channel(interaction)
        return interaction

    def _check_channel(self, interaction: Interaction) -> None:
        if interaction.channel.id not in self._world.channels:
            raise refusal(10003)

    def _current(self, interaction: Interaction, message_id: int | None) -> Message | None:
        return interaction.channel.messages_by_id.get(message_id or 0)

    def _find(self, call: ApiRequest) -> Message:
        interaction = self._by_webhook(call)
        message_id = interaction.original_id
        if "message_id" in call.params:
            message_id = call.id("message_id")
            if message_id not in interaction.message_ids:
                raise refusal(10008)
        return known(self._current(interaction, message_id), 10008)
