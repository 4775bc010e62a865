# Sourced by what needs packages of Debian: which are missing, and installs them.

is_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Those of the packages that are not installed, one a line.
missing_of()
{
	local package

	for package; do
		is_installed "$package" || echo "$package"
	done
}

# Does nothing, and needs no rights, where all of them are there.
install_missing()
{
	local missing

	mapfile -t missing < <(missing_of "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	apt_update
	apt_install "${missing[@]}"
}

# The version of PostgreSQL that this release of the system has.
released_version()
{
	local version

	apt_update
	version=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
	echo "${version:?no package of this system has PostgreSQL}"
}

apt_update()
{
	command -v apt-get >/dev/null ||
		die "this is no Debian system; needed are: ${missing[*]:-${packages[*]}}"
	quietly as_root apt-get update -q || die "apt-get update failed"
}

apt_install()
{
	quietly as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "$@" ||
		die "apt-get could not install: $*"
}

# What a command says is of interest where it fails.
quietly()
{
	local output

	output=$("$@" 2>&1) || { printf '%s\n' "$output" | tail -n 30 >&2; return 1; }
}
