#!/bin/sh
# End the jobs with these ids, with all their processes; trainings store a checkpoint first.
for id; do
  read -r host pid < "$id.pid" || continue
  if [ "$host" = "$(hostname)" ]; then
    kill -s TERM -- "-$pid" 2> /dev/null
  else
    echo "cancel.sh: $id runs on $host; there: kill -s TERM -- -$pid" >&2
  fi
done
exit 0
