# Sourced: installs the Debian packages named, if any is missing. Quick when all are there.
ensure_packages() {
	local missing=()
	local package
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "These packages are missing: ${missing[*]}: install them, or run this as root" >&2
		return 1
	fi
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	local log
	log=$(mktemp)
	# A list of packages that is out of date names files that are gone: refresh it once.
	if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		echo "apt-get could not install: ${missing[*]}" >&2
		return 1
	fi
	rm -f "$log"
}

build_packages=(build-essential meson ninja-build pkg-config libfuse3-dev fuse3 liburing-dev libxxhash-dev libinih-dev
	libjson-c-dev libedit-dev libsystemd-dev libmicrohttpd-dev libibverbs-dev librdmacm-dev scdoc)
