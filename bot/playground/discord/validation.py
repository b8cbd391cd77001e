"""Discord's limits on the words and parts of messages and modals; must not know the world."""

from collections.abc import Iterator, Sequence
from typing import Any

from bot.playground.discord.errors import ApiError, Form, Json

# Source: Discord docs, "Message Resource" (Create Message, Embed Limits).
CONTENT_CHARS_MAX = 2000
EMBEDS_MAX = 10
EMBED_CHARS_MAX = 6000  #: all embeds of a message together
EMBED_FIELDS_MAX = 25
FILES_MAX = 10
NONCE_CHARS_MAX = 25
DESCRIPTION_CHARS_MAX = 1024  #: an attachment's alternative text

# Source: Discord docs, "Component Reference".
CUSTOM_ID_CHARS_MAX = 100
ROWS_MAX = 5
BUTTONS_MAX = 5
BUTTON_LABEL_CHARS_MAX = 80
OPTIONS_MAX = 25
COMPONENTS_MAX = 40
COMPONENT_TEXT_CHARS_MAX = 4000
#: all text displays, each with TEXT_BYTES more; above, Discord fails (discord-api-docs #8554)
COMPONENT_TEXT_BYTES_MAX = 10_170
TEXT_BYTES = 12
GALLERY_ITEMS_MAX = 10
SECTION_TEXTS_MAX = 3
TEXT_INPUT_CHARS_MAX = 4000
GROUP_OPTIONS_MAX = 10  #: in radio and checkbox groups; also files to upload
MODAL_TITLE_CHARS_MAX = 45
MODAL_LABEL_CHARS_MAX = 45

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
ENTITY_SELECTS = (5, 6, 7, 8)  #: user, role, mentionable, channel
SELECTS = (STRING_SELECT, *ENTITY_SELECTS)
SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
LABEL, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 18, 19, 21, 22, 23
CONTAINER_PARTS = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR)
LABELLED = (*SELECTS, TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX)
LINK_STYLE, PREMIUM_STYLE = 5, 6

Path = tuple[str | int, ...]


def check_message(form: Form, body: Json, *, v2: bool) -> None:
    """Check a message's fields before it is created or edited; null and absent ones are skipped."""
    rows_max = COMPONENTS_MAX if v2 else ROWS_MAX
    lengths_max = {"embeds": EMBEDS_MAX, "attachments": FILES_MAX, "components": rows_max}
    lists = {key: body.get(key) or [] for key in lengths_max}
    for key, value in lists.items():
        form.length((key,), value, 0, lengths_max[key])
    form.close()
    if body.get("content") is not None:
        form.length(("content",), body["content"], 0, CONTENT_CHARS_MAX)
    if body.get("nonce") is not None:
        form.length(("nonce",), str(body["nonce"]), 0, NONCE_CHARS_MAX)
    _check_embeds(form, lists["embeds"])
    for index, attachment in enumerate(lists["attachments"]):
        description = attachment.get("description") or ""
        form.length(("attachments", index, "description"), description, 0, DESCRIPTION_CHARS_MAX)
    components = lists["components"]
    if v2:
        _check_layout(form, components)
    seen: set[str] = set()
    top = (*CONTAINER_PARTS, CONTAINER) if v2 else (ROW,)
    for index, component in enumerate(components):
        form.choice(("components", index, "type"), component.get("type"), top)
        _check_component(form, ("components", index), component, seen)


def check_modal(form: Form, body: Json) -> None:
    """Check a modal's fields."""
    form.length(("title",), body.get("title"), 1, MODAL_TITLE_CHARS_MAX)
    form.length(("custom_id",), body.get("custom_id"), 1, CUSTOM_ID_CHARS_MAX)
    components = body.get("components")
    form.length(("components",), components, 1, ROWS_MAX)
    seen: set[str] = set()
    for index, component in enumerate(components or []):
        path = ("components", index)
        form.choice((*path, "type"), component.get("type"), (ROW, TEXT, LABEL))
        if component.get("type") == LABEL:
            form.length((*path, "label"), component.get("label"), 1, MODAL_LABEL_CHARS_MAX)
            form.length((*path, "description"), component.get("description") or "", 0, 100)
            form.choice((*path, "component", "type"), component["component"]["type"], LABELLED)
        for child in component.get("components") or []:
            form.choice((*path, "components", 0, "type"), child.get("type"), (TEXT_INPUT,))
        _check_component(form, path, component, seen)


def walk(components: Sequence[Json]) -> Iterator[Json]:
    """Go through components and everything inside them, in reading order."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for key in ("accessory", "component"):
            if component.get(key):
                yield from walk([component[key]])


def _check_embeds(form: Form, embeds: list[Json]) -> None:
    chars = 0
    for index, embed in enumerate(embeds):
        fields = embed.get("fields") or []
        form.length(("embeds", index, "fields"), fields, 0, EMBED_FIELDS_MAX)
        texts: list[tuple[Path, Any, int, int]] = [
            (("title",), embed.get("title") or "", 0, 256),
            (("description",), embed.get("description") or "", 0, 4096),
            (("footer", "text"), (embed.get("footer") or {}).get("text") or "", 0, 2048),
            (("author", "name"), (embed.get("author") or {}).get("name") or "", 0, 256),
        ]
        for number, field in enumerate(fields):
            texts.append((("fields", number, "name"), field.get("name"), 1, 256))
            texts.append((("fields", number, "value"), field.get("value"), 1, 1024))
        for path, text, least, most in texts:
            form.length(("embeds", index, *path), text, least, most)
            chars += len(text or "")
    if chars > EMBED_CHARS_MAX:
        message = f"Embed size exceeds maximum size of {EMBED_CHARS_MAX}"
        form.complain(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", message)


def _check_layout(form: Form, components: list[Json]) -> None:
    every = list(walk(components))
    if len(every) > COMPONENTS_MAX:
        message = f"The maximum number of components is {COMPONENTS_MAX}"
        form.complain(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", message)
    texts = [str(part.get("content") or "") for part in every if part["type"] == TEXT]
    if sum(map(len, texts)) > COMPONENT_TEXT_CHARS_MAX:
        message = f"The total displayable text cannot exceed {COMPONENT_TEXT_CHARS_MAX}"
        form.complain(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)
    elif sum(len(text.encode()) + TEXT_BYTES for text in texts) > COMPONENT_TEXT_BYTES_MAX:
        raise ApiError(500, 0, "500: Internal Server Error")


def _check_component(form: Form, path: Path, component: Json, seen: set[str]) -> None:
    kind = component.get("type")
    if kind == ROW:
        _check_row(form, path, component.get("components") or [])
    if kind in (BUTTON, TEXT_INPUT, *SELECTS, *LABELLED):
        _check_custom_id(form, path, component, seen)
    if kind == BUTTON:
        form.length((*path, "label"), component.get("label") or "", 0, BUTTON_LABEL_CHARS_MAX)
        if not component.get("label") and not component.get("emoji"):
            form.required((*path, "label"))
    if kind in (*SELECTS, RADIO_GROUP, CHECKBOX_GROUP, FILE_UPLOAD):
        _check_select(form, path, component)
    if kind == TEXT_INPUT:
        form.length((*path, "placeholder"), component.get("placeholder") or "", 0, 100)
        for key, least in (("min_length", 0), ("max_length", 1)):
            form.number((*path, key), component.get(key), least, TEXT_INPUT_CHARS_MAX)
        most = component.get("max_length") or TEXT_INPUT_CHARS_MAX
        form.length((*path, "value"), component.get("value") or "", 0, most)
    if kind == TEXT:
        form.length((*path, "content"), component.get("content"), 1, COMPONENT_TEXT_CHARS_MAX)
    if kind == GALLERY:
        form.length((*path, "items"), component.get("items"), 1, GALLERY_ITEMS_MAX)
    if kind == SECTION:
        form.length((*path, "components"), component.get("components"), 1, SECTION_TEXTS_MAX)
        accessory = (component.get("accessory") or {}).get("type")
        form.choice((*path, "accessory", "type"), accessory, (BUTTON, THUMBNAIL))
    for item in (component, *(component.get("items") or ())):
        if kind in (GALLERY, THUMBNAIL):
            description = item.get("description") or ""
            form.length((*path, "description"), description, 0, DESCRIPTION_CHARS_MAX)
    for index, child in enumerate(component.get("components") or []):
        if kind == CONTAINER:
            form.choice((*path, "components", index, "type"), child.get("type"), CONTAINER_PARTS)
        _check_component(form, (*path, "components", index), child, seen)
    for key in ("accessory", "component"):
        if component.get(key):
            _check_component(form, (*path, key), component[key], seen)


def _check_row(form: Form, path: Path, children: list[Json]) -> None:
    form.length((*path, "components"), children, 1, BUTTONS_MAX)
    kinds = [child.get("type") for child in children]
    if len(kinds) > 1 and any(kind != BUTTON for kind in kinds):
        message = "The specified component exceeds the maximum width"
        form.complain((*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)


def _check_custom_id(form: Form, path: Path, component: Json, seen: set[str]) -> None:
    if component.get("type") == BUTTON and component.get("style") == LINK_STYLE:
        if not component.get("url"):
            form.required((*path, "url"))
        return
    if component.get("type") == BUTTON and component.get("style") == PREMIUM_STYLE:
        return
    custom_id = component.get("custom_id")
    if custom_id is None:
        form.required((*path, "custom_id"))
        return
    form.length((*path, "custom_id"), custom_id, 1, CUSTOM_ID_CHARS_MAX)
    if custom_id in seen:
        message = "Component custom id cannot be duplicated"
        form.complain((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
    seen.add(custom_id)


def _check_select(form: Form, path: Path, component: Json) -> None:
    kind, options = component["type"], component.get("options") or []
    form.length((*path, "placeholder"), component.get("placeholder") or "", 0, 150)
    most = OPTIONS_MAX if kind in SELECTS else GROUP_OPTIONS_MAX
    for key, least in (("min_values", 0), ("max_values", 1)):
        form.number((*path, key), component.get(key), least, most)
    if kind not in (STRING_SELECT, RADIO_GROUP, CHECKBOX_GROUP):
        return
    form.length((*path, "options"), options, 2 if kind == RADIO_GROUP else 1, most)
    chosen = sum(bool(option.get("default")) for option in options)
    if chosen > (component.get("max_values") or 1) and kind != CHECKBOX_GROUP:
        message = "More options are chosen than can be"
        form.complain((*path, "options"), "SELECT_COMPONENT_TOO_MANY_DEFAULTS", message)
    values: set[str] = set()
    for index, option in enumerate(options):
        for key in ("label", "value"):
            form.length((*path, "options", index, key), option.get(key), 1, 100)
        description = option.get("description") or ""
        form.length((*path, "options", index, "description"), description, 0, 100)
        if option.get("value") in values:
            code = "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"
            message = "The specified option value is already used"
            form.complain((*path, "options", index), code, message)
        values.add(str(option.get("value")))
    if (component.get("max_values") or 1) > len(options):
        message = f"Must be at most {len(options)}"
        form.complain((*path, "max_values"), "NUMBER_TYPE_MAX", message)
