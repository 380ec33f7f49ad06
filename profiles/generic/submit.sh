#!/bin/sh
# Submit one job and print its id. Arguments: rule, CPUs, MB, minutes, GPUs, script.
# Here the scheduler is the shell. For LSF, say:
#   bsub -J "$1" -n "$2" -M "$3" -W "$4" -gpu "num=$5" < "$6" | sed 's/[^<]*<\([0-9]*\)>.*/\1/'
set -eu
for script; do :; done
jobs=.snakemake/generic
mkdir -p "$jobs"
id=$(mktemp "$jobs/$1.XXXXXX")
# The job leads a process group of its own, so that cancel.sh ends all of it; its exit status is its last word. While it
# lives it touches the file with its host and process, by which other hosts know.
setsid sh -c '
  echo "$(hostname) $$" > "$1.pid"
  (while sleep 30 && kill -0 $$; do touch "$1.pid"; done) > /dev/null 2>&1 &
  sh "$2"; echo $? > "$1.part"; mv "$1.part" "$1.done"; kill $!' job "$id" "$script" > "$id.log" 2>&1 < /dev/null &
while [ ! -s "$id.pid" ]; do sleep 0.05; done
echo "$id"
