#!/bin/sh
# Every night what is left of in.jsonl, for 20 credits at most, until out.jsonl is complete.
# From cron or a systemd timer, under any user; FOLDER is all that it writes to:
#
#   nightly.sh FOLDER
#
# Exit 0, and silence: all is there, or tomorrow's run goes on. Anything else is an alarm.

cd "${1:?nightly.sh FOLDER}" || exit 1
umask 077

status=0
ocx batch in.jsonl -o out.jsonl --resume -q --progress off \
  --max-credits 20 --min-balance 50 --report report.json 2> errors.txt || status=$?

case $status in
0) exit ;;                 # every row has its answer
13) exit 0 ;;              # tonight's credits are used up, or some rows can be sent again
6 | 8 | 9 | 10) exit 0 ;;  # rate limit, server, network, timeout: tomorrow is another day
12) echo "nightly batch: the balance is at its floor, or 20 credits are too few for a row" >&2 ;;
4 | 5) echo "nightly batch: the key is refused, or the credits are gone" >&2 ;;
esac
cat errors.txt >&2
exit "$status"
