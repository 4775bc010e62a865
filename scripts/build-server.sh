# Sourced by the checks that need a server built in a way of their own: builds
# Debian's source of PostgreSQL below build/, and runs the tests on it.

. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

make=${MAKE:-make}
source_dir=$top/build/source

# build_server NAME CFLAGS [configure's argument ...]
#
# Builds a server in build/NAME/pgsql, unless it is there: rm -rf build/NAME for
# a newer one.  It is the system's release's version, or PG_VERSION.  Sets
# PG_CONFIG to its.
build_server()
{
	local build=$top/build/$1

	# Debian's source sends the library directory of an installation whose path
	# does not say pgsql or postgres to that of the packaged server.
	server=$build/pgsql
	PG_CONFIG=$server/bin/pg_config
	[ ! -x "$PG_CONFIG" ] || return 0

	version=${PG_VERSION:-$(released_version)}
	install_missing dpkg-dev gcc libc6-dev python3-dev zlib1g-dev perl libipc-run-perl
	fetch_source
	say "building PostgreSQL with $2 ${*:3}"
	rm -rf "$build/objects" "$server"
	mkdir -p "$build/objects"
	(cd "$build/objects" && configure_and_make "${@:2}") >"$build/build.log" 2>&1 ||
		{ grep -m 10 -iE 'error' "$build/build.log" >&2; die "could not build PostgreSQL; see build/$1/build.log"; }
	cp "$(server_source)/src/tools/valgrind.supp" "$build"
	rm -rf "$build/objects"
}

# The interpreter is the one that Debian's scikit-learn is for, whatever PATH has
# first.  PostgreSQL's makefiles make what they generate at the top level only,
# so they must not see that a make runs above them.
configure_and_make()
{
	unset MAKELEVEL MAKEFLAGS MFLAGS
	"$(server_source)"/configure --prefix="$server" --enable-debug --enable-tap-tests \
		--with-python --without-readline PYTHON=/usr/bin/python3 CFLAGS="$1" "${@:2}" &&
		installs_below_prefix &&
		"$make" -j"$(nproc)" &&
		"$make" install &&
		"$make" -C contrib -j"$(nproc)" &&
		"$make" -C contrib install
}

# Nothing of this may end up in the system's server, which root could overwrite.
installs_below_prefix()
{
	local path paths

	paths=$("$make" -s -f - top_builddir=. paths <<-'END'
		include src/Makefile.global
		paths:; @echo $(bindir) $(libdir) $(pkglibdir) $(pgxsdir) $(datadir) $(sysconfdir) \
			$(includedir) $(includedir_server) $(includedir_internal) $(mandir) $(docdir) $(localedir)
	END
	)
	[ -n "$paths" ] || return 1
	for path in $paths; do
		[ "${path#"$server"/}" != "$path" ] ||
			{ echo "error: it would install into $path"; return 1; }
	done
}

server_source() { echo "$source_dir"/postgresql-"$version"-*; }

# The system's package sources, with deb for deb-src, in an apt configuration of
# our own: the system's stays as it is.
fetch_source()
{
	local apt=$source_dir/apt log=$source_dir/apt.log options stanzas candidate

	compgen -G "$source_dir/postgresql-$version-*/configure" >/dev/null && return 0
	say "fetching the source of PostgreSQL $version"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources.list.d"
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		2>/dev/null >"$apt/sources.list" || true
	for stanzas in /etc/apt/sources.list.d/*.sources; do
		[ -f "$stanzas" ] || continue
		sed 's/^Types:.*/Types: deb-src/' "$stanzas" >"$apt/sources.list.d/${stanzas##*/}"
	done
	options=(-q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts="$apt/sources.list.d"
		-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=)
	apt-get "${options[@]}" update >"$log" 2>&1 ||
		{ tail -n 30 "$log" >&2; die "could not read the package lists"; }

	# The newest that can be had: mirrors list sources that they do not have yet.
	for candidate in $(apt-cache "${options[@]}" showsrc "postgresql-$version" 2>/dev/null |
			sed -n 's/^Version: //p' | sort -rV); do
		if (cd "$source_dir" && apt-get "${options[@]}" source "postgresql-$version=$candidate") >>"$log" 2>&1; then
			say "it is $candidate"
			return
		fi
	done
	tail -n 30 "$log" >&2
	die "could not fetch the source of PostgreSQL $version, which this system's releases may not have"
}

# Copies the tree to build/NAME/tree, so that the objects of the ordinary build
# stay, and makes targets there for the server of PG_CONFIG.
make_in_copy()
{
	local copy=$top/build/$1/tree

	rm -rf "$copy"
	mkdir -p "$copy"
	tar -C "$top" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' -cf - . | tar -C "$copy" -xf -
	"$make" -C "$copy" --no-print-directory "${@:2}" PG_CONFIG="$PG_CONFIG"
}
