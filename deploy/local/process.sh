# What `stack` and `services` share: words to the user, the command line, secrets, locks, ports, and processes in the
# background, each known by NAME.pid and NAME.log in the data folder `$dir`. Sourced, never run.
#
# The script that sources it sets `dir` and `free_ports` and defines
#   usage                    prints how to call it
#   is_ours NAME ARGUMENTS   whether a command line (its arguments on lines of their own) is that of NAME
#   when_late NAME           prints what else to tell about a NAME that is not ready in time
#   about NAME               prints what else to tell about a NAME that runs as `$pid`

# ---------------------------------------------------------------- words to the user

say() { printf '%-11s %s\n' "$1" "$2"; }
fail() { printf 'error: %s\n' "$1" >&2; shift; for line in "$@"; do printf '  %s\n' "$line" >&2; done; exit 1; }

# need TOOL WHY HOW-TO-INSTALL
need() { command -v "$1" >/dev/null 2>&1 || fail "\`$1\` is missing: it is needed to $2" "install it with: $3"; }

# ---------------------------------------------------------------- the command line

# read_options "VALUES" "FLAGS" ARGUMENT…: an option of VALUES (`--name value` or `--name=value`) sets the variable of its
# name, one of FLAGS sets it to `yes`, with dashes as underscores; what is no option goes into the array `rest`. Anything
# else is refused: a misspelt option must not start something else than was asked for.
read_options() {
  local values=" $1 " flags=" $2 " name
  shift 2
  rest=()
  while [ $# -gt 0 ]; do
    name=${1#--} name=${name%%=*}
    case $1 in
      --help | -h) usage; exit 0 ;;
      -*)
        if [[ $flags == *" $name "* && $1 == "--$name" ]]; then
          printf -v "${name//-/_}" yes
        elif [[ $values == *" $name "* && $1 == --* ]]; then
          if [[ $1 != *=* ]]; then
            [ $# -ge 2 ] || fail "--$name needs a value"
            shift
            printf -v "${name//-/_}" %s "$1"
          else
            printf -v "${name//-/_}" %s "${1#*=}"
          fi
        else
          usage >&2
          fail "there is no option \`$1\`"
        fi
        ;;
      *) rest+=("$1") ;;
    esac
    shift
  done
}

# no_more ARGUMENT…: for a command that takes none.
no_more() { [ $# -eq 0 ] || { usage >&2; fail "\`$command\` takes no argument, but \`$1\` was given"; }; }

# ---------------------------------------------------------------- secrets, locks and ports

random_hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

# write_secret FILE: what comes in becomes the file's text, readable by its owner alone, and never half of it.
write_secret() { (umask 077 && cat >"$1.part" && mv "$1.part" "$1"); }

# locked FILE COMMAND…: runs the command while no other run holds the lock FILE, so that two starts at once do the
# work once.
locked() {
  local file=$1 fd
  shift
  mkdir -p "$(dirname "$file")"
  exec {fd}>"$file"
  if command -v flock >/dev/null 2>&1 && ! flock -n "$fd"; then
    say wait "for another run that holds $file"
    flock "$fd"
  fi
  lock_fds+=("$fd")
  "$@"
  exec {fd}>&-
}
lock_fds=()

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port [TAKEN…]: below the range the kernel hands to outgoing connections, so that nobody takes it in between; and
# claimed for an hour, so that no other start takes it before it is listened to, or while its process is down for a moment.
free_port() {
  local port claims=${TMPDIR:-/tmp}/audit-ports-$UID
  mkdir -p "$claims" && [ -w "$claims" ] || fail "cannot write to $claims" 'name another folder for it: TMPDIR=/path'
  # Another start may delete the same ones at this moment.
  find "$claims" -type f -mmin +60 -delete 2>/dev/null || true
  for _ in $(seq 200); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    case " $* " in *" $port "*) continue ;; esac
    if ! answers "$port" && (set -o noclobber; : >"$claims/$port") 2>/dev/null; then echo "$port"; return; fi
  done
  fail 'found no free port between 20000 and 32000' 'name one in the environment; `help` says how'
}

# usual_port PORT [TAKEN…]: that port if it is free, unless free ones are asked for.
usual_port() {
  if [ "$free_ports" = no ] && ! answers "$1"; then echo "$1"; else shift; free_port "$@"; fi
}

# ---------------------------------------------------------------- processes

# True if the process NAME of this data folder runs; sets `pid` and `args`. The command line must be ours: a number left over in a
# pid file may belong to anybody after a reboot.
running() {
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] && kill -0 "$pid" 2>/dev/null || return 1
  if [ -r "/proc/$pid/cmdline" ]; then
    args=$(tr '\0' '\n' <"/proc/$pid/cmdline")
  else
    args=$(ps -ww -o args= -p "$pid")
  fi
  is_ours "$1" "$args"
}

# current NAME PROGRAM: true if NAME runs, and what runs is the program as it is now. After a pull and a build the process of
# the program before must not be taken for it; the pid file is as old as the process.
current() {
  running "$1" || return 1
  if [[ $args == "$2" || $args == "$2"$'\n'* || $args == "$2 "* ]] && ! [ "$2" -nt "$dir/$1.pid" ]; then return 0; fi
  return 1
}

# launch NAME COMMAND…: in the background, in a session of its own (an interrupt at the terminal is not for it), with its
# output in NAME.log; the log of the run before stays as NAME.log.1.
launch() {
  local name=$1 fd detach=(nohup)
  shift
  if command -v setsid >/dev/null 2>&1; then detach=(setsid); fi
  [ ! -f "$dir/$name.log" ] || mv "$dir/$name.log" "$dir/$name.log.1"
  (
    # The locks are this script's, not its children's.
    for fd in "${lock_fds[@]}"; do exec {fd}>&-; done
    exec "${detach[@]}" "$@" </dev/null >"$dir/$name.log" 2>&1
  ) &
  echo $! >"$dir/$name.pid"
}

# wait_ready NAME SECONDS CHECK…: until the check succeeds, the process ends, or the time is up. A terminal shows the seconds
# meanwhile.
wait_ready() {
  local name=$1 limit=$2 began=$SECONDS shown=''
  shift 2
  until "$@"; do
    if [ -t 1 ] && [ $((SECONDS - began)) -gt 0 ]; then
      shown=$'\r\e[K'
      printf '\r%-11s starting, %s of at most %s s' "$name" $((SECONDS - began)) "$limit"
    fi
    if ! running "$name" && ! sleep_and_still "$name"; then
      printf %s "$shown"
      show_log "$name"
      rm -f "$dir/$name.pid"
      fail "$name ended while it was starting" "the last lines of its log are above; all of it: $dir/$name.log"
    fi
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      printf %s "$shown"
      show_log "$name"
      fail "$name is not ready after $limit s" "the last lines of its log are above; all of it: $dir/$name.log" \
        "$(when_late "$name")"
    fi
    sleep 0.1
  done
  printf %s "$shown"
  say "$name" "ready (pid $(cat "$dir/$name.pid"))"
}

# Between fork and exec the command line is still this script's.
sleep_and_still() { sleep 0.3; running "$1"; }

show_log() { printf -- '--- %s\n' "$dir/$1.log" >&2; tail -n 20 "$dir/$1.log" >&2 || true; printf -- '---\n' >&2; }

# stop_one NAME SECONDS: by SIGTERM, and by SIGKILL when that takes too long, which loses nothing.
stop_one() {
  local name=$1 patience=$2 tenths=0
  if ! running "$name"; then
    say "$name" 'does not run'
    rm -f "$dir/$name.pid"
    return
  fi
  kill -TERM "$pid" 2>/dev/null || true
  while running "$name"; do
    if [ $tenths -ge $((patience * 10)) ]; then
      say "$name" "warning: did not stop within $patience s, killed (what was acknowledged is on disk)"
      kill -KILL "$pid" 2>/dev/null || true
      while running "$name"; do sleep 0.1; done
      break
    fi
    sleep 0.1
    tenths=$((tenths + 1))
  done
  rm -f "$dir/$name.pid"
  say "$name" 'stopped'
}

# tell_status NAME…: what runs and what does not; false if one does not.
tell_status() {
  local name all=0
  for name in "$@"; do
    if running "$name"; then say "$name" "runs ($(about "$name"))"; else say "$name" 'does not run'; all=1; fi
  done
  return $all
}
