#!/bin/sh
# Call submit.sh with the same arguments; where it fails or prints no id, say so in one line.
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
id=$("$(dirname "$0")/submit.sh" "$@" 2> "$errors")
status=$?
if [ "$status" != 0 ] || [ -z "$id" ]; then
  said=$(tr '\n' ' ' < "$errors" | sed 's/ *$//')
  [ "$status" != 0 ] || said="it printed no id of a job${said:+, but: $said}"
  echo "Error: $(dirname "$0")/submit.sh has not submitted a job of $1 (status $status): ${said:-it said nothing}" >&2
  exit 1
fi
cat "$errors" >&2
echo "$id"
