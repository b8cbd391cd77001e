"""The languages: each has every sentence, Discord is told of them, and a member reads theirs."""

import io
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.pofile import PoFileError, read_po

from bot.chat import texts
from bot.chat.settings_shown import LANGUAGES
from bot.chat.texts import Notice, explain, refuse, say
from bot.chat.texts import languages as reading
from bot.chat.texts import update as updating
from bot.chat.texts.languages import FALLBACK, FOLDER, Sentence, english, languages, nearest
from bot.chat.texts.phrases import Phrase
from bot.chat.texts.update import template, updated
from bot.chat.texts.writer import writer
from bot.chat.translator import option_key
from bot.domain.credits import tell_cost
from bot.domain.jobs import Failure, Problem
from bot.errors import InvalidRequest, Reason
from bot.playground.discord import Message, payloads
from bot.playground.studio import Fails
from tests.chat.test_texts import UNSPEAKABLE
from tests.support.easel import Easel, said, selects, told
from tests.support.settings import decide, set_filter

TRANSLATED = sorted(languages() - {FALLBACK})
#: Discord's names of them (Discord docs, Reference, Locales); of Spanish it has two
LOCALES = ["de", "es-419", "es-ES", "fr", "ja", "pt-BR", "zh-CN"]
MENTION = re.compile(r"(?<![A-Za-z0-9])/[a-z_]+(?![A-Za-z0-9_])")
SENTENCE_ENDS = (".", "。")

# Discord docs, Application Commands, Application Command Object and Naming, read 2026-11.
NAME = re.compile(r"[-\w]{1,32}")
MENU_CHARS_MAX = 32
DESCRIPTION_CHARS_MAX = 100
CHOICE_CHARS_MAX = 100
COMMAND_CHARS_MAX = 8_000
GROUPS = (1, 2)


def catalog(language: str) -> Catalog:
    content = (FOLDER / f"{language}.po").read_bytes()
    return read_po(io.BytesIO(content), locale=language, abort_invalid=True)


def forms(words: Any) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def places(words: str) -> set[str]:
    return {f"{name}:{spec}" for _, name, spec, _ in string.Formatter().parse(words) if name}


def entries(language: str) -> list[Entry]:
    return [entry for entry in catalog(language) if entry.id]


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_has_each_sentence_that_the_english_has_and_no_other(language: str) -> None:
    """If not: `python -m bot.chat.texts.update`, and translate what is empty or fuzzy."""
    theirs = catalog(language)
    wanted = {(entry.context, entry.id) for entry in template() if entry.id}
    assert {(entry.context, entry.id) for entry in theirs if entry.id} == wanted
    undone = [
        entry.context
        for entry in theirs
        if entry.id and (entry.fuzzy or not all(forms(entry.string)))
    ]
    assert undone == []
    assert not theirs.obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_facts_and_commands_of_the_english(language: str) -> None:
    for entry in entries(language):
        wanted = forms(entry.id)[-1]
        for form in forms(entry.string):
            assert places(form) == places(wanted), entry.context
            assert set(MENTION.findall(form)) == set(MENTION.findall(wanted)), entry.context


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_reads_well(language: str) -> None:
    for entry in entries(language):
        ends = forms(entry.id)[-1].endswith(".")
        for form in forms(entry.string):
            bare = string.Formatter().vformat(re.sub(r"\{[^}]*\}", "fact", form), (), {})
            assert form == form.strip(), entry.context
            assert not UNSPEAKABLE.search(bare), entry.context
            assert form.endswith(SENTENCE_ENDS) is ends, entry.context


def test_english_plurals_name_their_number() -> None:
    for key, words in english().items():
        if words.count:
            assert words.one, key
            assert words.count in {place.partition(":")[0] for place in places(words.other)}, key


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("es-ES", "es"),
        ("es-419", "es"),
        ("pt-BR", "pt_BR"),
        ("zh-CN", "zh_CN"),
        ("zh-TW", "en"),
        ("en-GB", "en"),
        ("ko", "en"),
        ("", "en"),
    ],
)
def test_a_reader_is_given_the_nearest_language(locale: str, language: str) -> None:
    assert nearest(locale) == language


def test_moderators_choose_the_language_of_public_text_from_all() -> None:
    assert {nearest(locale) for locale in LANGUAGES} == languages()


@pytest.mark.parametrize(
    ("locale", "place", "fact", "words"),
    [
        ("en-US", "{fact:,}", 4_000, "4,000"),
        ("de", "{fact:,}", 4_000, "4.000"),
        ("fr", "{fact:,}", 4_000, "4\N{NARROW NO-BREAK SPACE}000"),
        ("es-419", "{fact:,}", 4_000, "4,000"),
        ("ko", "{fact:,}", 4_000, "4,000"),
        ("de", "{fact:.1f}", 2.25, "2,2"),
        ("de", "{fact}", 4_000, "4000"),
        ("en-US", "{fact:cost}", 56_235, "0.06 cr"),
        ("de", "{fact:cost}", 56_235, "0,06 cr"),
        ("de", "{fact:left}", 56_235, "0,05 cr"),
        ("ja", "{fact:cost}", 1, "0.01 cr未満"),
        ("en-US", "{fact:most}", 1, "0.01 cr"),
        ("de", "{fact:most}", 56_235, "0,06 cr"),
        ("en-US", "{fact:and}", ["a"], "a"),
        ("en-US", "{fact:and}", ["a", "b"], "a and b"),
        ("en-US", "{fact:and}", ["a", "b", "c"], "a, b and c"),
        ("de", "{fact:and}", ["a", "b", "c"], "a, b und c"),
        ("zh-CN", "{fact:and}", ["a", "b", "c"], "a、b和c"),
        ("en-US", "{fact:list}", ["1K", "2K"], "1K, 2K"),
        ("ja", "{fact:list}", ["1K", "2K"], "1K、2K"),
        ("fr", "{fact:offers}", ["1K/low/60000"], "1K en qualité low pour 0,06 cr"),
        ("en-US", "{fact:megabytes}", 50_000_000, "50 MB"),
        ("fr", "{fact:megabytes}", 50_000_000, "50\N{NARROW NO-BREAK SPACE}Mo"),
        ("en-US", "{fact:megapixels}", 12_300_000, "12.3 megapixels"),
        ("de", "{fact:megapixels}", 12_300_000, "12,3\N{NO-BREAK SPACE}Megapixel"),
        ("en-US", "{fact:date}", "2026-12-01", "1 December 2026"),
        ("pt-BR", "{fact:date}", "2026-12-01", "1 de dezembro de 2026"),
        (
            "de",
            "{fact:permissions}",
            ["attach_files", "unheard_of"],
            "Dateien anhängen, unheard_of",
        ),
        ("en-US", "{fact:choice}", "transparent", "transparent"),
        ("es-419", "{fact:choice}", "transparent", "transparente"),
        ("es-419", "{fact:choice}", "unheard of", "unheard of"),
        ("en-US", "{fact:name}", "reference3", "reference3"),
        ("de", "{fact:name}", "reference3", "referenz3"),
        ("de", "{fact:time}", 1_796_000_000, "<t:1796000000:R>"),
    ],
)
def test_facts_are_written_as_the_reader_has_them(
    locale: str, place: str, fact: object, words: str
) -> None:
    assert writer(locale).fill(place, {"fact": fact}) == words


def test_no_amount_has_two_bounds() -> None:
    """As in: up to less than 0.01 cr."""
    assert not [
        key
        for key, words in english().items()
        if re.search(r"up to \{\w+:cost\}", words.one + words.other)
    ]


@pytest.mark.parametrize("amount", [0, 1, 9_999, 10_000, 56_235, 1_999_999, 12_345_670_000])
def test_english_amounts_are_those_of_the_domain(amount: int) -> None:
    assert texts.tell_cost(amount) == tell_cost(amount)


@pytest.mark.parametrize(
    ("locale", "waiting", "words"),
    [
        ("en-US", 1, "You have 1 image waiting"),
        ("en-US", 2, "You have 2 images waiting"),
        ("de", 1, "1 wartendes Bild"),
        ("de", 2, "2 wartende Bilder"),
        ("fr", 1, "1 image en attente"),
        ("fr", 2, "2 images en attente"),
        ("ja", 1, "1枚の画像が待機中"),
    ],
)
def test_a_number_has_its_plural(locale: str, waiting: int, words: str) -> None:
    assert words in refuse(InvalidRequest(Reason.OWN_QUEUE_FULL, waiting=waiting), locale)


@pytest.mark.parametrize(
    ("locale", "own", "words"),
    [
        ("en-US", 1, "1 of them yours"),
        ("de", 1, "davon 1 eigenes"),
        ("de", 2, "davon 2 eigene"),
        ("es-ES", 1, "1 de ellas tuya"),
        ("es-ES", 2, "2 de ellas tuyas"),
        ("pt-BR", 1, "sendo 1 sua"),
        ("pt-BR", 2, "sendo 2 suas"),
    ],
)
def test_one_that_waits_is_not_told_as_several(locale: str, own: int, words: str) -> None:
    assert say(Phrase.OWN_AHEAD, locale, own=own) == words


@pytest.mark.parametrize("language", ["de", "fr", "pt_BR"])
def test_an_example_to_be_typed_is_written_as_the_amounts_that_are_shown(language: str) -> None:
    """Discord takes the number of an option of its own kind for numbers only with a point."""
    pointed = re.compile(r"(?<![\d.])0\.\d")
    assert [
        entry.context
        for entry in entries(language)
        if any(pointed.search(form) for form in forms(entry.string))
    ] == ["options.settings confirm_above credits"]


def test_commands_are_named_in_a_sentence_as_the_reader_sees_them() -> None:
    assert "/history again" in say(Notice.NOT_TAKEN_HERE)
    assert "/verlauf noch einmal" in say(Notice.NOT_TAKEN_HERE, "de")
    assert "/履歴 を" in say(Notice.NOT_TAKEN_HERE, "ja")


def test_an_option_is_named_as_the_reader_sees_it() -> None:
    facts = {"flaw": "empty", "option": "reference3", "filename": "1.png"}
    assert "`referenz3` ist leer." in explain(Problem(Failure.REFERENCE, facts), "de")


def test_chinese_and_japanese_sentences_have_no_space_between_them() -> None:
    assert "。 " not in explain(Problem(Failure.TIMED_OUT), "ja")


def test_no_french_sign_is_torn_from_its_word_at_the_end_of_a_line() -> None:
    torn = re.compile(r" [;:?!»]|« ")
    assert [
        entry.context
        for entry in entries("fr")
        if any(torn.search(form) for form in forms(entry.string))
    ] == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of languages in which the English has two sentences."""
    words = {"flaws.empty": Sentence("It is empty."), "flaws.video": Sentence("It is a video.")}
    for module in (reading, updating):
        monkeypatch.setattr(module, "english", lambda: words)
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def test_an_update_keeps_what_is_translated_and_shows_what_is_to_be_done(small: Path) -> None:
    before = updated("de", b"").decode()
    for english_words, german in (("It is empty.", "Leer."), ("It is a video.", "Ein Video.")):
        before = before.replace(
            f'"{english_words}"\nmsgstr ""', f'"{english_words}"\nmsgstr "{german}"'
        )
    words = updating.english()
    words["flaws.empty"] = Sentence("Nothing is in it.")
    words["notices.new"] = Sentence("Nobody has said this before.")
    del words["flaws.video"]

    after = updated("de", before.encode()).decode()
    changed = '#, fuzzy\nmsgctxt "flaws.empty"\nmsgid "Nothing is in it."\nmsgstr "Leer."'
    assert changed in after
    assert 'msgid "Nobody has said this before."\nmsgstr ""' in after
    assert "video" not in after
    assert updated("de", after.encode()).decode() == after

    words["flaws.empty"] = Sentence("{n} are empty.", one="{n} is empty.", count="n")
    counted = updated("de", after.encode()).decode()
    assert 'msgid_plural "{n} are empty."\nmsgstr[0] "Leer."\nmsgstr[1] "Leer."' in counted
    assert counted.count("fuzzy") == 1


def test_what_is_empty_or_fuzzy_stays_english(small: Path) -> None:
    content = updated("de", b"").decode()
    fuzzy = 'msgctxt "flaws.empty"\nmsgid "It is empty."\nmsgstr "'
    (small / "de.po").write_text(content.replace(fuzzy, "#, fuzzy\n" + fuzzy + "Leer."))
    german = reading.translations.__wrapped__("de")
    assert german.pgettext("flaws.empty", "It is empty.") == "It is empty."
    assert german.pgettext("flaws.video", "It is a video.") == "It is a video."


def test_what_is_compiled_follows_its_file(small: Path) -> None:
    """Compiled once, and again when its file is another; none is left half written."""
    source, read = small / "de.po", reading.translations.__wrapped__
    empty = updated("de", b"").decode()
    for mtime_ns, german in ((2_000, "Leer."), (1_000, "Nichts.")):
        words = f'msgid "It is empty."\nmsgstr "{german}"'
        source.write_text(empty.replace('msgid "It is empty."\nmsgstr ""', words))
        os.utime(source, ns=(mtime_ns, mtime_ns))
        assert read("de").pgettext("flaws.empty", "It is empty.") == german
        [compiled] = (small / reading.COMPILED).iterdir()
        assert compiled.stat().st_mtime_ns == mtime_ns

    compiled.write_bytes(compiled.read_bytes().replace(b"Nichts.", b"Niente."))
    os.utime(compiled, ns=(1_000, 1_000))
    assert read("de").pgettext("flaws.empty", "It is empty.") == "Niente."


def test_the_english_is_compiled_once_and_follows_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "FOLDER", tmp_path)
    source, read = tmp_path / "en.toml", reading.english.__wrapped__
    counted = '{ count = "n", one = "One.", other = "{n}." }'
    for mtime_ns, words in ((2_000, "It is empty."), (1_000, "Nothing is in it.")):
        flaws = f'[flaws]\nempty = "{words}"\nmany = {counted}\n'
        source.write_text(f"[commands]\nhelp = 'Help'\n[options]\n{flaws}")
        os.utime(source, ns=(mtime_ns, mtime_ns))
        assert read() == {
            "commands.help": Sentence("Help"),
            "flaws.empty": Sentence(words),
            "flaws.many": Sentence("{n}.", one="One.", count="n"),
            "names.help": Sentence("help"),
        }
        [compiled] = (tmp_path / reading.COMPILED).iterdir()
        assert compiled.stat().st_mtime_ns == mtime_ns

    compiled.write_bytes(compiled.read_bytes().replace(b"Nothing", b"Nought"))
    os.utime(compiled, ns=(1_000, 1_000))
    assert read()["flaws.empty"] == Sentence("Nought is in it.")


def test_where_nothing_can_be_written_a_language_is_read_all_the_same(small: Path) -> None:
    (small / "de.po").write_bytes(updated("de", b""))
    (small / reading.COMPILED).touch()
    german = reading.translations.__wrapped__("de")
    assert german.pgettext("flaws.empty", "It is empty.") == "It is empty."


def test_a_broken_file_is_found_as_the_tests_read_it() -> None:
    with pytest.raises(PoFileError):
        updated("de", b'msgid "A"\nmsgstr "B"\nwhat nobody has quoted\n')


def test_for_english_nothing_of_other_languages_is_imported() -> None:
    script = (
        "import sys, bot.app; from bot.chat.texts import Notice, say;"
        "say(Notice.TOO_LATE, 'en-GB'); sys.exit('babel' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.fixture
def offered(easel: Easel) -> list[dict[str, Any]]:
    """The commands as they were written to Discord, where a document of it checks them, too."""
    (written,) = [request.body for request in easel.discord.requests if request.method == "PUT"]
    return written


def parts(commands: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each command, group and option, with the whole name of the command that it is of."""

    def inside(part: dict[str, Any], command: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for option in part.get("options", ()):
            within = f"{command} {option['name']}" if option["type"] in GROUPS else command
            yield within, option
            yield from inside(option, within)

    for command in commands:
        yield command["name"], command
        yield from inside(command, command["name"])


def is_command(name: str, part: dict[str, Any]) -> bool:
    return "required" not in part and name.split()[-1] == part["name"]


def is_menu(part: dict[str, Any]) -> bool:
    return not part.get("description")


async def test_every_name_and_description_is_translated(offered: list[dict[str, Any]]) -> None:
    """If not: its line in en.toml is missing, or is not what the code says."""
    for name, part in parts(offered):
        if is_menu(part):
            assert f"menus.{part['name'].lower().replace(' ', '_')}" in english(), name
            continue
        command = is_command(name, part)
        key = f"commands.{name}" if command else option_key(name, part["name"])
        assert key in english(), key
        if not places(english()[key].other):
            assert part["description"] == english()[key].other
        assert sorted(part["description_localizations"]) == LOCALES, key
        assert f"names.{part['name'].rstrip(string.digits)}" in english(), name


async def test_an_amount_of_credits_is_not_called_as_the_account(
    offered: list[dict[str, Any]],
) -> None:
    """In English, both are `credits`."""
    account, amount = (
        part
        for name, part in parts(offered)
        if part["name"] == "credits" and name in ("credits", "settings confirm_above")
    )
    names = [each["name_localizations"]["de"] for each in (account, amount)]
    assert names == ["guthaben", "betrag"]


async def test_every_choice_that_is_words_is_translated(offered: list[dict[str, Any]]) -> None:
    for name, part in parts(offered):
        for choice in part.get("choices", ()):
            known = (
                choice["name"] == choice["value"] and f"choices.{choice['name']}" not in english()
            )
            assert known or choice.get("name_localizations"), (name, choice)


async def test_every_translation_is_within_discords_limits(offered: list[dict[str, Any]]) -> None:
    for name, part in parts(offered):
        menu = is_menu(part)
        for each in worded(part, "name"):
            assert len(each) <= MENU_CHARS_MAX, (name, each)
            assert menu or (NAME.fullmatch(each) and each == each.lower()), (name, each)
        for each in worded(part, "description"):
            assert menu or 1 <= len(each) <= DESCRIPTION_CHARS_MAX, (name, each)
        for choice in part.get("choices", ()):
            for each in worded(choice, "name"):
                assert 1 <= len(each) <= CHOICE_CHARS_MAX, (name, each)


async def test_no_command_is_too_large_in_any_language(offered: list[dict[str, Any]]) -> None:
    """Discord counts the longest translation of each word."""
    for command in offered:
        chars = sum(
            max(map(len, worded(part, "name")))
            + max(map(len, worded(part, "description")))
            + sum(
                max(map(len, worded(choice, "name"))) + len(str(choice["value"]))
                for choice in part.get("choices", ())
            )
            for _, part in parts([command])
        )
        assert chars <= COMMAND_CHARS_MAX, command["name"]


@pytest.mark.parametrize("locale", LOCALES)
async def test_no_two_of_a_kind_have_one_name(offered: list[dict[str, Any]], locale: str) -> None:
    def named(siblings: list[dict[str, Any]]) -> None:
        names = [
            (each.get("name_localizations", {}).get(locale, each["name"]), "required" in each)
            for each in siblings
        ]
        assert len(set(names)) == len(names)
        for each in siblings:
            named(each.get("options", []))

    named(offered)


def worded(part: dict[str, Any], what: str) -> list[str]:
    return [part.get(what) or "", *part.get(f"{what}_localizations", {}).values()]


async def test_a_german_reads_german(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "LOCALE", "de")
    refused = told(await easel.finished(await easel.imagine(quality="high")))
    assert "hat keine Qualitätseinstellung; lass sie weg." in refused
    assert refused.endswith("Es wurde nichts berechnet.")

    call = await easel.discord.run_command("Ada", "studio", "models")
    models = said(await call.response())
    assert "Modelle und Preise eines Bildes" in models
    assert (
        "GPT Image 2 (Beta): Worte und bis zu 16 Referenzen\n1K 0,06 cr\nmeist etwa 48 s" in models
    )

    given = {"prompt": "x", "model": "gpt-image-2-quality"}
    decided = said(await set_filter(easel, "off"))
    assert "Der NSFW-Filter ist überall **aus**." in decided
    choices = await easel.discord.autocomplete("Ada", "studio", "imagine", "quality", "", given)
    assert {"name": "high: bis zu 0,07 cr pro Bild", "value": "high"} in choices


async def test_what_failed_is_listed_in_japanese_alone(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence that the code ended itself had a Latin full stop."""
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine())
    monkeypatch.setattr(payloads, "LOCALE", "ja")
    call = await easel.discord.run_command("Ada", "studio", "history")
    listed = said(await call.until(lambda message: not message.is_loading))
    assert "コンテンツフィルターによる拒否 · 料金は一切発生していません。" in listed


async def test_commas_colons_and_quotation_marks_are_the_readers(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the code wrote itself were Latin in Japanese, too."""

    async def page(command: str, **given: str) -> Message:
        call = await easel.discord.run_command("Cleo", "studio", command, given)
        return await call.until(lambda message: not message.is_loading)

    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine())
    await easel.finished(await easel.imagine())
    await decide(easel, "pause", reason="a contest")
    await page("quota grant", member="Ada", amount="1", reason="a start")
    monkeypatch.setattr(payloads, "LOCALE", "ja")
    ada, cleo = (easel.discord.world.user(name).id for name in ("Ada", "Cleo"))
    colon = "\N{FULLWIDTH COLON}"

    month = said(await page("stats"))
    assert f"gpt-image-2-beta · apimodels{colon}画像1枚、0.06 cr" in month
    assert f"<@{ada}>{colon}0.06 cr、ジョブ2件" in month
    assert f"コンテンツフィルターによる拒否{colon}1" in month
    assert "gpt-image-2、gpt-image-2-quality、gpt-image-2-lite" in said(await page("models"))
    assert f"1K{colon}0.06 cr" in said(await page("models", model="gpt-image-2-beta"))
    assert "「a contest」" in said(await page("settings panel"))
    assert f"<@{cleo}>{colon}" in said(await page("settings trail"))
    assert f"<@{cleo}>{colon}a start" in said(await page("quota member", member="Ada"))
    for options in selects(await page("preferences")).values():
        assert all(colon in each["label"] for each in options)
    [choice] = await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "beta")
    assert choice["name"].startswith(f"gpt-image-2-beta{colon}")


@pytest.mark.parametrize("locale", ["ko", "tlh"])
async def test_who_reads_a_language_that_is_not_there_reads_english(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    monkeypatch.setattr(payloads, "LOCALE", locale)
    call = await easel.discord.run_command("Ada", "studio", "models")
    assert "Models, and prices of one image" in said(await call.response())
