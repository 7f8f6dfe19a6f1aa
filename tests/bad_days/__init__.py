"""Bad input and bad days: what a person reads, how the bot ends, and that nothing heard is lost.

| bad day | held by |
|---|---|
| unknown URL | `tests/meetcore/cli/test_join.py`, `tests/meetcore/plugin/test_registry.py` |
| no Chromium | `test_before_the_meeting.py`, `tests/plugins/browser/test_finder.py` |
| no display | `test_before_the_meeting.py`, `tests/plugins/browser/test_browser.py` |
| port taken | `test_before_the_meeting.py`, `tests/plugins/rehearsal/test_site.py` |
| unwritable folder | `tests/meetcore/cli/test_join.py`, `test_before_the_meeting.py` |
| full disk | `tests/meetcore/log/test_journal.py`, `tests/plugins/files/test_sink.py` |
| wrong config | `tests/meetcore/cli/test_join.py`, `tests/meetcore/model/test_config.py` |
| unknown plugin | `tests/meetcore/cli/test_join.py`, `tests/meetcore/plugin/test_registry.py` |
| two plugins for one link | `test_before_the_meeting.py`, `plugin/test_registry.py` beside it |
| room that does not exist | `test_in_a_real_room.py`, `tests/plugins/rehearsal/test_joiner.py` |
| denied | `test_in_a_scripted_meeting.py`, `tests/plugins/rehearsal/test_joiner.py` |
| admission timeout | `test_in_a_scripted_meeting.py`, `test_in_a_real_room.py` |
| kicked | `test_in_a_scripted_meeting.py`, `tests/plugins/rehearsal/test_joiner.py` |
| meeting ended | `test_in_a_scripted_meeting.py`, `tests/plugins/rehearsal/test_joiner.py` |
| browser killed | `test_in_a_real_room.py`, `tests/plugins/browser/test_browser.py` |
| driver killed | `test_in_a_real_room.py`, `tests/plugins/browser/test_browser.py` |
| worker killed | `test_worker_killed.py`, `tests/plugins/pocketsphinx/test_supervised.py` |
| subscriber that stops reading | `tests/plugins/websocket/test_slow_consumers.py` |
| webhook that answers 500 or never | `tests/plugins/webhook/test_sink.py` |
"""
