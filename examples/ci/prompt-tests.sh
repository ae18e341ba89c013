#!/bin/sh
# The prompts of prompts.jsonl as tests: exit 0 if each answer is what its row expects.
#
#   sh prompt-tests.sh                                             # live
#   ocx serve --record tape.jsonl -- sh prompt-tests.sh            # and keep the answers
#   ocx serve --replay tape.jsonl -- sh prompt-tests.sh            # offline, in CI
#   ocx serve --replay tape.jsonl --missing record -- sh prompt-tests.sh   # add new prompts
#
# A failure for good is 14 (or 7: refused); 13 says that another run may do.

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
ocx batch "${1:-prompts.jsonl}" -o "$folder/answers.jsonl" --progress off
