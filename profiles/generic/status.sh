#!/bin/sh
# Print running, success or failed for the job with id $1.
ended() {
  [ -e "$1.done" ] || return 1
  if [ "$(cat "$1.done")" = 0 ]; then echo success; else echo failed; fi
}

lives() {
  read -r host pid < "$1.pid" || return 1
  if [ "$host" = "$(hostname)" ]; then
    # A process that ended and that nobody has waited for still answers; its state is Z.
    kill -0 "$pid" 2> /dev/null && case "$(ps -o stat= -p "$pid" 2> /dev/null)" in Z*) false ;; esac
  else
    # Another host's processes cannot be asked: a job that lives has touched its file within the last minutes.
    [ -n "$(find "$1.pid" -mmin -5)" ]
  fi
}

if [ ! -e "$1.pid" ]; then
  echo "status.sh: no job has the id '$1': submit.sh must print the id of the job and nothing else" >&2
  echo failed
elif ended "$1"; then
  :
elif lives "$1"; then
  echo running
else
  ended "$1" || echo failed # it may have ended between the two questions
fi
