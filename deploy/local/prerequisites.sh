# What must be on the machine, asked before anything is begun: a library that is missing would else be reported by some
# build script minutes later. Sourced, never run; needs `fail` of process.sh, and `repo`.

# prerequisites GROUP…: fails if something of these groups is missing, and names all of it at once, with the line that
# installs it. The groups are the functions `need_GROUP` below.
prerequisites() {
  local missing=() packages=() rust=no group
  for group in "$@"; do "need_$group"; done
  [ ${#missing[@]} -gt 0 ] || return 0
  local lines=("${missing[@]:1}")
  if [ ${#packages[@]} -gt 0 ]; then
    local once=' ' package
    for package in "${packages[@]}"; do
      [[ $once == *" $package "* ]] || once+="$package "
    done
    lines+=("install with: sudo apt-get install${once% }")
  fi
  if [ $rust = yes ]; then lines+=('install Rust with rustup (https://rustup.rs); rust-toolchain.toml names the version'); fi
  fail "missing: ${missing[0]}" "${lines[@]}"
}

# lacks WHAT WHY PACKAGE…: notes what is missing, and the packages that hold it.
lacks() {
  missing+=("$1, to $2")
  shift 2
  packages+=("$@")
}

# has TOOL WHY PACKAGE…
has() { command -v "$1" >/dev/null 2>&1 || lacks "\`$1\`" "${@:2}"; }

# What cargo needs to build our programs.
need_build() {
  command -v cargo >/dev/null 2>&1 || { lacks '`cargo`' 'build the services'; rust=yes; }
  has cc 'build the Kafka client' build-essential
  has c++ 'build the Kafka client' build-essential
  has make 'build the Kafka client' build-essential
  # Elsewhere the build scripts find both without pkg-config.
  [ "$(uname -s)" = Linux ] || return 0
  has pkg-config 'find the libraries that the services link' pkg-config
  if [ -z "${OPENSSL_DIR:-}" ] && ! pkg-config --exists openssl 2>/dev/null; then
    lacks "OpenSSL's headers" 'build what speaks TLS' libssl-dev
  fi
  pkg-config --exists zlib 2>/dev/null || lacks "zlib's headers" 'build the Kafka client' zlib1g-dev
}

# Kafka's server, in the version it asks for.
need_java() {
  local version
  if ! command -v java >/dev/null 2>&1; then lacks '`java`' 'run Kafka' openjdk-17-jre-headless; return; fi
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ] ||
    lacks "Java 17 or newer (this one is ${version:-unknown})" 'run Kafka' openjdk-17-jre-headless
}

# The two engines: to run them, and to fetch what is not fetched yet.
need_engines() {
  local artifacts=${AUDIT_ARTIFACTS_DIR:-$repo/.local/artifacts}
  need_java
  has curl 'ask the services whether they are ready' curl
  compgen -G "$artifacts/kafka-*/.complete" >/dev/null || has mvn "fetch Kafka's jars" maven
  compgen -G "$artifacts/chdb-*/libchdb.so" >/dev/null || has npm "fetch ClickHouse's library" nodejs npm
}

need_python() { has python3 'compare what the API says with what the file says' python3; }

# What tests call beside our own programs.
need_tests() {
  need_python
  has git 'list the files of the repository' git
  # Debian ships Python without what makes a venv.
  python3 -c 'import ensurepip, venv' 2>/dev/null || lacks "Python's \`venv\`" 'test the Python clients' python3-venv
}

# The pages' tests. Chromium installs itself where that asks no password; see tests/pages/run.
need_browser() {
  has node 'drive the browser' nodejs
  has npm 'fetch what drives the browser' npm
  if find_chromium; then return; fi
  if can_install; then
    echo 'no Chromium is installed: the tests of the pages will install it by apt-get' >&2
  else
    lacks 'Chromium' 'look at the pages (or name it: CHROMIUM=/path/to/chromium)' chromium
  fi
}

# find_chromium: sets and exports CHROMIUM.
find_chromium() {
  local name found
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && found=$(command -v "$name"); then export CHROMIUM=$found; return; fi
  done
  return 1
}

# Whether packages can be installed without anybody being asked.
can_install() {
  command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}
