# Sourced by the other scripts: messages, who runs what, and a workspace in
# which an unprivileged user runs servers and tests.
#
# PostgreSQL refuses to run as root, and a clone that belongs to root is often
# not even readable for others.  So what root starts runs as another user, in a
# copy of the tree; what an ordinary user starts runs as that user, in a copy
# all the same, so that both see the same.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}

say() { printf '== %s\n' "$*"; }

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Runs a command as root, or says what is missing.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "this needs root, and there is no sudo: run as root: $*"
	fi
}

# The user that servers and tests run as, where we are root.
unprivileged_user()
{
	if id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# Runs a command as the unprivileged user, with an environment of its own: the
# caller's PATH may lead to another Python than the server's, and the caller's
# PG* variables to another server.  TEST_ENVIRONMENT has what a check wants the
# servers to find there, as NAME=VALUE without blanks.
as_user()
{
	local switch=()

	if [ "$(id -u)" = 0 ]; then
		local user
		user=$(unprivileged_user)
		switch=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
	fi
	"${switch[@]}" env -i \
		PATH="$bindir:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
		HOME="$workspace" TMPDIR="$workspace/tmp" TERM="${TERM:-dumb}" \
		LANG=C.UTF-8 ${server_libdir:+LD_LIBRARY_PATH="$server_libdir"} \
		PGHOST="$workspace/socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres \
		OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
		${TEST_ENVIRONMENT:-} \
		"$@"
}

# Makes the workspace, with the tree in it, and sees to its removal.
#
# Sets workspace, tree, bindir and pkglibdir.
make_workspace()
{
	workspace=$(mktemp -d "${TMPDIR:-/tmp}/mlpipe.XXXXXX")
	tree=$workspace/tree
	bindir=$("$PG_CONFIG" --bindir)
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	trap remove_workspace EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	mkdir "$tree" "$workspace/tmp" "$workspace/socket"
	tar -C "$top" --exclude=./.git --exclude=./build --exclude='*.o' -cf - . |
		tar -C "$tree" --no-same-owner -xf -
	give_to_user "$workspace"
	cd "$tree"
	as_user test -r "$tree/Makefile" ||
		die "user $(unprivileged_user) cannot read $workspace: set TMPDIR to a directory open to all"
	use_reachable_server
}

give_to_user()
{
	if [ "$(id -u)" = 0 ]; then
		chown -R "$(unprivileged_user):" "$1"
	fi
}

# A server that was built in root's home is copied too: installations of
# PostgreSQL can be moved as a whole.
use_reachable_server()
{
	local prefix

	if as_user "$bindir/postgres" --version >/dev/null 2>&1; then
		return
	fi
	[ -x "$bindir/postgres" ] || die "there is no server in $bindir, which $PG_CONFIG names"
	prefix=${bindir%/bin}
	[ "$prefix" != "$bindir" ] && [ "${pkglibdir#"$prefix"/}" != "$pkglibdir" ] ||
		die "user $(unprivileged_user) cannot run the server in $bindir"
	cp -a "$prefix" "$workspace/server"
	pkglibdir=$workspace/server/${pkglibdir#"$prefix"/}
	bindir=$workspace/server/bin
	server_libdir=$workspace/server/lib
	give_to_user "$workspace/server"
	as_user "$bindir/postgres" --version >/dev/null ||
		die "user $(unprivileged_user) cannot run the server in $bindir"
}

remove_workspace()
{
	local status=$?

	trap '' INT TERM HUP
	cd /
	as_user "$tree/scripts/temp-server" stop >/dev/null 2>&1 || true
	rm -rf "$workspace"
	exit "$status"
}
