# Where cargo builds: sets and exports CARGO_TARGET_DIR. Sourced by the scripts that build or run our programs and by the
# Makefile, never run.
#
# librdkafka's own build breaks in a folder whose name holds a space or a sign that a shell or make takes for its own.
# A clone in such a folder is built in the user's cache instead.
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  CARGO_TARGET_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
  case $CARGO_TARGET_DIR in
    *[!A-Za-z0-9/._+-]*)
      CARGO_TARGET_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/ai-usage-audit-log/$(printf %s "$CARGO_TARGET_DIR" | cksum | cut -d ' ' -f 1)
      ;;
    *) CARGO_TARGET_DIR=$CARGO_TARGET_DIR/target ;;
  esac
fi
export CARGO_TARGET_DIR
