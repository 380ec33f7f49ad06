#!/bin/sh
# Print running, success or failed for the job with id $1.
if [ -e "$1.done" ]; then
  if [ "$(cat "$1.done")" = 0 ]; then echo success; else echo failed; fi
elif kill -0 "$(cat "$1.pid")" 2> /dev/null; then
  echo running
elif [ -e "$1.done" ] && [ "$(cat "$1.done")" = 0 ]; then
  echo success  # it ended between the two questions
else
  echo failed
fi
