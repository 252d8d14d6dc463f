"""Conversations as they are kept, who speaks in a text, and the prompt that a reply is written from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.store.models import find, read_record
from gpt_tui import conversations
from gpt_tui.conversations import MODEL, YOU, Conversation, Said
from gpt_tui.conversing import opening, personas, talking
from gpt_tui.conversing.keeper import Keeper
from gpt_tui.conversing.talking import Style

PLAY = "".join(
    f"FIRST LORD:\nWhat news upon this day {n}?\nSpeak.\n\nDUKE:\nNone that I would tell.\n\n" for n in range(9)
)
NOVEL = "".join(
    f"It rained on day {n}.\n\n“Are you there?” asked Nina.\n\n“I am,” said the old man.\n\n" for n in range(9)
)


def talk() -> Conversation:
    conversation = Conversation("talk", "Otto", "Marta")
    conversation.say(YOU, "How are you?")
    conversation.say(MODEL, "Cold.", seed=4, tokens=[Said("Cold", 0.5), Said(".", 0.9)])
    return conversation


def shown(conversation: Conversation) -> list[str]:
    return [turn.text for turn in conversation.path()]


# A tree of turns


def test_another_answer_keeps_the_one_before_with_what_followed_it() -> None:
    conversation = talk()
    first = conversation.path()[1]
    conversation.say(YOU, "Still?")
    conversation.beside(first, "Warm.")
    assert shown(conversation) == ["How are you?", "Warm."]
    conversation.choose(first)
    assert shown(conversation) == ["How are you?", "Cold.", "Still?"]


def test_a_changed_turn_begins_a_branch() -> None:
    conversation = talk()
    first = conversation.path()[0]
    changed = conversation.beside(first, "Who are you?")
    conversation.say(MODEL, "Marta.", after=changed)
    assert shown(conversation) == ["Who are you?", "Marta."]
    assert [turn.text for turn in conversation.versions(first)] == ["How are you?", "Who are you?"]


def test_taking_away_an_answer_shows_the_one_before() -> None:
    conversation = talk()
    empty = conversation.beside(conversation.path()[1], "")
    conversation.remove(empty)
    assert shown(conversation) == ["How are you?", "Cold."]


def test_the_title_is_how_it_begins_until_it_is_given_one() -> None:
    conversation = talk()
    assert conversation.title == "How are you?"
    conversation.name = "The weather"
    assert conversation.title == "The weather"
    assert Conversation("m", "A", "B").title == "With B"
    assert conversations.shortened("one two three four", 12) == "one two…"


# On the disk


def test_saved_and_loaded_it_is_the_same(home: Path) -> None:
    conversation = talk()
    conversation.beside(conversation.path()[1], "Warm \ud800 and\x1b[31m red.\n\nTwo lines.")
    conversation.say(YOU, "Oh.")
    conversations.save(conversation)
    assert conversations.load(conversation.id) == conversation


def test_a_thousand_turns_are_saved_and_loaded(home: Path) -> None:
    conversation = Conversation("m", "A", "B")
    for number in range(1000):
        conversation.say(YOU if number % 2 else MODEL, f"turn {number}")
    conversations.save(conversation)
    assert len(conversations.load(conversation.id).path()) == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 99}',
        b'{"format": 1, "turns": 3, "chosen": []}',
        b'{"format": 1, "model": "m", "you": "a", "them": "b", "chosen": [], "turns": [{"id": 1, "parent": 1, '
        b'"by": "you", "speaker": "a"}]}',
    ],
)
def test_a_damaged_file_is_told_and_hides_no_other(home: Path, content: bytes) -> None:
    whole = talk()
    conversations.save(whole)
    conversations.path_of("broken").write_bytes(content)
    with pytest.raises(EngineError):
        conversations.load("broken")
    found = conversations.summaries()
    assert {summary.id: bool(summary.problem) for summary in found} == {whole.id: False, "broken": True}


def test_search_looks_into_every_turn_and_version(home: Path) -> None:
    first, second = talk(), Conversation("talk", "Otto", "Marta")
    first.beside(first.path()[1], "The lighthouse is dark tonight.")
    first.choose(first.turns[2])
    second.say(YOU, "Hello.")
    for conversation in (first, second):
        conversations.save(conversation)
    found = conversations.summaries("DARK lighthouse")
    assert [summary.id for summary in found] == [first.id]
    assert "lighthouse" in found[0].excerpt
    assert len(conversations.summaries("marta")) == 2
    assert conversations.summaries("zebra") == []


def test_deleted_renamed_and_brought_back(home: Path) -> None:
    conversation = talk()
    conversations.save(conversation)
    conversations.rename(conversation.id, "  The  cold ")
    assert conversations.summaries()[0].title == "The cold"
    conversations.delete(conversation.id)
    assert conversations.summaries() == []
    conversations.restore(conversation.id)
    assert conversations.load(conversation.id).title == "The cold"


def test_one_without_a_turn_leaves_no_file(home: Path) -> None:
    conversations.save(Conversation("m", "A", "B"))
    assert conversations.summaries() == []


@pytest.mark.asyncio
async def test_a_change_is_on_the_disk_within_a_second(home: Path) -> None:
    keeper, conversation = Keeper(), talk()
    keeper.keep(conversation)
    async with asyncio.timeout(10):
        while not conversations.path_of(conversation.id).exists():
            await asyncio.sleep(0.05)
    conversation.say(YOU, "Bye.")
    keeper.keep(conversation)
    keeper.now()
    assert shown(conversations.load(conversation.id))[-1] == "Bye."
    assert Keeper.SECONDS <= 0.5


@pytest.mark.asyncio
async def test_a_disk_that_refuses_is_told(home: Path) -> None:
    home.mkdir()
    (home / "conversations").write_text("a file")
    keeper = Keeper()
    keeper.keep(talk())
    await keeper.settle()
    assert "conversations" in keeper.problem


# Who speaks in a text


def test_the_voices_of_the_catalogue_are_described() -> None:
    from engine.data.corpus import catalog

    entry = next(entry for entry in catalog() if entry.name == "dialogues")
    assert entry.path is not None
    cast = personas.speakers(entry.path.read_text("utf-8"))
    assert cast.style == Style(": ", "\n") and set(entry.voices) <= set(cast.names)
    assert all(cast.find(name).partner in entry.voices for name in entry.voices)
    assert all(cast.find(name).openings for name in entry.voices)


def test_a_printed_play_has_names_over_speeches() -> None:
    cast = personas.speakers(PLAY)
    assert cast.style == Style(":\n", "\n\n")
    assert [persona.name for persona in cast.personas] == ["FIRST LORD", "DUKE"]
    assert cast.pair() == ("FIRST LORD", "DUKE")


def test_prose_has_those_who_said_something() -> None:
    cast = personas.speakers(NOVEL)
    assert cast.style.quote == "“"
    assert {persona.name for persona in cast.personas} == {"Nina", "the old man"}
    assert "Nina met the old man" in cast.scene("the old man", "Nina")


def test_a_text_without_speakers_has_strangers_to_talk_with() -> None:
    cast = personas.speakers("def main():\n    return 3\n" * 50)
    assert not cast.known and len(cast.pair()) == 2


def test_a_model_whose_text_is_gone_is_known_by_its_sample(store: Path) -> None:
    (store / "talk.txt").unlink()
    record = read_record(find("talk"))
    record.corpus["sources"] = ["/nowhere/talk.txt"]
    record.summary["sample"] = "OTTO: Hello there.\nMARTA: Hello, Otto.\nOTTO: It is cold.\n"
    assert [persona.name for persona in personas.cast(record).personas] == ["OTTO", "MARTA"]


def test_names_are_found_whatever_their_case() -> None:
    cast = personas.speakers(PLAY)
    assert cast.pair("duke", "Anna") == ("DUKE", "Anna")
    assert cast.find("Zed").name == "Zed"


# Prompts


def test_a_prompt_is_written_as_the_text_writes_turns() -> None:
    turns = talk().path()
    assert talking.prompt(Style(": ", "\n"), "", turns, "Marta").text == "Otto: How are you?\nMarta: Cold.\nMarta:"
    play = talking.prompt(Style(":\n", "\n\n"), "", turns, "Marta").text
    assert play == "Otto:\nHow are you?\n\nMarta:\nCold.\n\nMarta:\n"
    prose = talking.prompt(Style(quote='"'), "They met.", turns, "Marta").text
    assert prose == 'They met.\n\n"How are you?" asked Otto.\n\n"Cold," said Marta.\n\n"'


def test_what_is_said_cannot_break_the_prompt() -> None:
    conversation = Conversation("m", "A", "B")
    conversation.say(YOU, 'One\n\nMarta: "two"')
    turns = conversation.path()
    assert talking.prompt(Style(": ", "\n"), "", turns, "B").text.count("\n") == 1
    assert talking.prompt(Style(":\n", "\n\n"), "", turns, "B").text.count("\n\n") == 1
    assert talking.prompt(Style(quote='"'), "", turns, "B").text.count('"') == 3


def test_a_reply_ends_where_the_next_speaker_begins() -> None:
    assert Style(": ", "\n").stop("Otto", "Marta") == ("\n", "Otto:", "Marta:")
    assert Style(quote="“").stop("Otto", "Marta") == ("”", "\n")
    assert Style(quote='"').reply(" I am cold, ") == "I am cold."


def test_the_oldest_turns_are_left_out_and_the_scene_stays() -> None:
    conversation = Conversation("m", "A", "B")
    for number in range(20):
        conversation.say(YOU if number % 2 == 0 else MODEL, f"This is turn {number}.")
    whole = talking.prompt(Style(quote='"'), "They met.", conversation.path(), "B")
    fitted = talking.fitted(whole, list(whole.text), room=200, reserve=40)
    assert 0 < fitted.first < 20
    assert fitted.text.startswith("They met.\n\n") and fitted.text.endswith('turn 19," said B.\n\n"')
    assert len(fitted.text) <= 160
    assert len(talking.prompt(Style(quote='"'), "They met.", conversation.path()[fitted.first - 1 :], "B").text) > 160
    assert talking.within(whole, 300).first > 0


def test_one_turn_is_read_however_long_it_is() -> None:
    conversation = Conversation("m", "A", "B")
    conversation.say(YOU, "word " * 500)
    whole = talking.prompt(Style(), "", conversation.path(), "B")
    assert talking.fitted(whole, list(whole.text), room=100, reserve=40).first == 0


# Where one begins


def test_one_comes_back_to_the_conversation_of_before(store: Path) -> None:
    assert opening.somewhere({}) is not None
    conversation = talk()
    conversations.save(conversation)
    found = opening.somewhere({opening.LAST: conversation.id})
    assert found is not None and found[0].id == conversation.id
    conversations.delete(conversation.id)
    found = opening.somewhere({opening.LAST: conversation.id})
    assert found is not None and not found[0].turns


def test_a_conversation_outlives_its_model(home: Path) -> None:
    conversation = talk()
    conversations.save(conversation)
    again, cast = opening.reopen(conversation.id)
    assert shown(again) == shown(conversation) and cast.find("Marta").name == "Marta"
    assert opening.somewhere({}) is not None
    conversations.delete(conversation.id)
    assert opening.somewhere({}) is None
