#!/bin/bash
# What the docs name in `backticks` exists: files of the tree, and functions or structs of the sources.
cd "$(dirname "$0")/../.." || exit 1
number=0 failed=0

exists() {
	local name=$1
	case $name in
	*/*.* | */) name=${name/\*/} && compgen -G "${1}" >/dev/null || [ -e "$name" ] ;;
	*) grep -rqwF -- "$name" include fabric server client fsd scripts tests --include='*.c' --include='*.h' --include='*.sh' ;;
	esac
}

for document in docs/architecture.md docs/data-path.md docs/locking.md CONTRIBUTING.md; do
	missing=''
	# File names with a folder, and identifiers with an underscore.
	for name in $(grep -oE '`[^` ]+`' "$document" | tr -d '`' | grep -E '^[a-z]+/[A-Za-z0-9_/*.]+$|^[a-z]+_[a-z_]+$' | sort -u); do
		exists "$name" || missing+=" $name"
	done
	number=$((number + 1))
	if [ -z "$missing" ]; then
		echo "ok $number - what $document names exists"
	else
		echo "not ok $number - what $document names exists"
		echo "# missing:$missing"
		failed=1
	fi
done
echo "1..$number"
exit $failed
