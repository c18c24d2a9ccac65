# What `stack` and `services` share: words to the user, locks, ports, and processes in the background, each known by
# NAME.pid and NAME.log in the data folder `$dir`. Sourced, never run.
#
# The script that sources it sets `dir` and defines
#   is_ours NAME ARGUMENTS   whether a command line (its arguments on lines of their own) is that of NAME
#   when_late NAME           prints what else to tell about a NAME that is not ready in time

# ---------------------------------------------------------------- words to the user

say() { printf '%-11s %s\n' "$1" "$2"; }
fail() { printf 'error: %s\n' "$1" >&2; shift; for line in "$@"; do printf '  %s\n' "$line" >&2; done; exit 1; }

# need TOOL WHY HOW-TO-INSTALL
need() { command -v "$1" >/dev/null 2>&1 || fail "\`$1\` is missing: it is needed to $2" "install it with: $3"; }

# ---------------------------------------------------------------- locks and ports

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

# free_port [TAKEN…]: below the range the kernel hands to outgoing connections, so that nobody takes it in between.
free_port() {
  local port
  for _ in $(seq 200); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    case " $* " in *" $port "*) continue ;; esac
    if ! answers "$port"; then echo "$port"; return; fi
  done
  fail 'found no free port between 20000 and 32000' 'name one in the environment; `help` says how'
}

random_hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

# ---------------------------------------------------------------- processes

# True if the process NAME of this data folder runs; sets `pid`. The command line must be ours: a number left over in a
# pid file may belong to anybody after a reboot.
running() {
  local args
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] && kill -0 "$pid" 2>/dev/null || return 1
  if [ -r "/proc/$pid/cmdline" ]; then
    args=$(tr '\0' '\n' <"/proc/$pid/cmdline")
  else
    args=$(ps -ww -o args= -p "$pid")
  fi
  is_ours "$1" "$args"
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

# wait_ready NAME SECONDS CHECK…: until the check succeeds, the process ends, or the time is up.
wait_ready() {
  local name=$1 limit=$2 began=$SECONDS
  shift 2
  until "$@"; do
    if ! running "$name" && ! sleep_and_still "$name"; then
      show_log "$name"
      rm -f "$dir/$name.pid"
      fail "$name ended while it was starting" "the last lines of its log are above; all of it: $dir/$name.log"
    fi
    if [ $((SECONDS - began)) -ge "$limit" ]; then
      show_log "$name"
      fail "$name is not ready after $limit s" "the last lines of its log are above; all of it: $dir/$name.log" \
        "$(when_late "$name")"
    fi
    sleep 0.1
  done
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
