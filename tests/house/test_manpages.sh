#!/bin/bash
# Manual pages and the sample configuration against the programs: every option of --help is there and the other way round, command by command. Writes TAP.
#
#   FARFS_MAN               the folder of the pages' sources (*.scd)
#   FAR FAR_SERVER FAR_FSD  the programs
set -u

: "${FARFS_MAN:=docs/man}" "${FAR:=far}" "${FAR_SERVER:=far-server}" "${FAR_FSD:=far-fsd}"
export LC_ALL=C
tests=0
failures=0

# same NAME PROGRAM PAGE: the two lists must agree.
same() {
	local difference

	tests=$((tests + 1))
	difference=$(diff <(sort -u <<<"$2") <(sort -u <<<"$3"))
	if [ -z "$difference" ] && [ -n "$2" ]; then
		echo "ok $tests - $1"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $1"
	sed -n 's/^< /# only in the program: /p; s/^> /# only in the page: /p' <<<"$difference"
}

# Options at the beginning of the lines of a help text: -o comes with its word.
help_options() {
	sed -n 's/^  \{1,6\}\(-[^ ].*\)/\1/p' | sed 's/\(-o [^ ]*\).*/\1/; s/   .*//; s/  .*//' | options
}

# Options that a page defines: lines that begin in bold with a dash.
page_options() {
	grep -- '^\*-' | sed 's/\*//g' | options
}

# One a line, without their arguments; `-o a,b` is two.
options() {
	sed 's/\[\{0,1\}=[^ ,]*//g; s/\.\.\.//g; s/,/ /g' | awk '{
		mount_option = 0
		for (i = 1; i <= NF; i++) {
			if ($i == "-o")
				mount_option = 1
			else if ($i ~ /^-/) {
				mount_option = 0
				print $i
			} else if (mount_option)
				print "-o " $i
		}
	}' | sort -u
}

# section PAGE TITLE: its lines.
section() {
	awk -v title="$2" '/^#/ { inside = ($0 == title) } inside' "$FARFS_MAN/$1"
}

shared=$(section far.1.scd '# OPTIONS' | page_options)
same 'far --help and far(1)' "$("$FAR" --help | help_options)" "$shared"
commands=$("$FAR" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
same 'commands of far and far(1)' "$commands" "$(sed -n 's/^## //p' "$FARFS_MAN/far.1.scd")"
for command in $commands; do
	same "far $command --help and far(1)" "$("$FAR" "$command" --help | help_options)" \
		"$(section far.1.scd "## $command" | page_options; grep -v -e '^-V' -e '^--version' <<<"$shared")"
done

same 'far doctor --help and far-doctor(1)' "$("$FAR" doctor --help | help_options)" "$(page_options <"$FARFS_MAN/far-doctor.1.scd")"
same 'far-server --help and far-server(8)' "$("$FAR_SERVER" --help | help_options)" "$(page_options <"$FARFS_MAN/far-server.8.scd")"
same 'far-server --help and far-server.conf(5)' \
	"$("$FAR_SERVER" --help | help_options | sed -n 's/^--//p' | grep -vE '^(config|help|usage|version)$')" \
	"$(section far-server.conf.5.scd '# SETTINGS' | sed -n 's/^\*\([a-z-]*\)\*.*/\1/p')"
# A descriptor to tell readiness is no matter for a file that is installed.
same 'far-server --help and the sample configuration' \
	"$("$FAR_SERVER" --help | help_options | sed -n 's/^--//p' | grep -vE '^(config|help|ready-fd|usage|version)$')" \
	"$(sed -n 's/^[#;]\([a-z-]*\) = .*/\1/p' "$FARFS_MAN/../../server/server.conf")"
same 'far-fsd --help and far-fsd(8)' "$("$FAR_FSD" --help | help_options)" "$(page_options <"$FARFS_MAN/far-fsd.8.scd")"
same 'far-fsd --help and mount.farfs(8)' "$("$FAR_FSD" --help | help_options)" "$(page_options <"$FARFS_MAN/mount.farfs.8.scd")"

# What a page refers to is there.
missing=$(grep -ohE '\*(far|libfar|mount\.farfs)[a-z.-]*\*\([0-9]\)' "$FARFS_MAN"/*.scd | sed 's/\*//g; s/(/./; s/)//' | sort -u |
	while read -r page; do [ -f "$FARFS_MAN/$page.scd" ] || echo "$page"; done)
same 'pages referred to exist' "missing: $missing" 'missing: '

# Functions of the library: all that it exports, no others.
header=${FARFS_MAN}/../../include/far.h
same 'far.h and libfar(3)' "$(grep -oE '\bfar_[a-z_]+\(' "$header" | tr -d '(' | grep -vE '^far_(session|list|source|check_tell|quota_tell|change)$' | sort -u)" \
	"$(section libfar.3.scd '# FUNCTIONS' | grep '^\*far_' | grep -oE 'far_[a-z_]+')"
same 'error codes of far.h and of libfar(3)' "$(grep -oE -- '-E[A-Z]+\b' "$header" | tr -d '-')" \
	"$(section libfar.3.scd '# ERRORS' | grep '^\*E' | grep -oE '\bE[A-Z]+\b')"
echo "1..$tests"
[ "$failures" -eq 0 ]
