"""Notes reach who listens, once, and the log otherwise."""

import logging

from epipam.runtime.notes import listening, note


def test_a_listener_hears_each_note_once(caplog):
    heard = []
    with listening(heard.append):
        for text in ("a", "b", "a"):
            note(text)
    with listening(heard.append):
        note("a")
    assert heard == ["a", "b", "a"]
    assert not caplog.records


def test_without_a_listener_notes_are_logged(caplog):
    with caplog.at_level(logging.INFO):
        note("100% of it")
    assert caplog.messages == ["100% of it"]
