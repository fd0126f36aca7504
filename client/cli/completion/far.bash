# bash completion for far(1): commands, options, local files and the server's keys.

# Keys below what has been typed, asked from the server that the line names. Directories end in a slash.
_far_keys()
{
	local i server=() IFS=$'\n'

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --server) server=(--server "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	mapfile -t COMPREPLY < <(timeout 2 far "${server[@]}" ls --unsorted --prefix -- "${cur#/}" 2>/dev/null | head -n 1000)
	compopt -o filenames -o nospace 2>/dev/null
}

# Arguments before this word that are neither the command nor options.
_far_argument_number()
{
	local i

	number=0
	for ((i = command_at + 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --server | -c | --count | -e | --events | --timeout | -i | --interval | --iterations | --offset | --length | --ops | --sizes | --keys | --distribution | --workload | --threads | --depth | --seconds | --operations | --warm-up | --rate | --cpus | --batch | --prefix | --scan-length | --seed | --pool | --to | --ttl | --initial | --set | --if | --bytes | --objects) ((i++)) ;;
		-?*) ;;
		*) ((number++)) ;;
		esac
	done
}

_far()
{
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' command_at=0 number i
	local commands='put get append mget ls stat rm mv cas incr decr counter expire persist ttl pin unpin quota watch mkdir df fsck ping bench repl doctor profile top version help'
	local options='--help --usage --server --connect --device --port --gid-index'

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --server) ((i++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]} command_at=$i
			break
			;;
		esac
	done
	case $previous in
	-s | --server | -c | --count | -e | --events | --timeout | -i | --interval | --iterations | --offset | --length | --sizes | --keys | --threads | --depth | --seconds | --operations | --warm-up | --rate | --cpus | --batch | --prefix | --scan-length | --seed | --pool | --to | --ttl | --initial | --set | --if | --bytes | --objects) return ;;
	--ops)
		mapfile -t COMPREPLY < <(compgen -W 'warm-get cold-get get put insert rmw incr scan stat ping' -- "$cur")
		return
		;;
	--distribution)
		mapfile -t COMPREPLY < <(compgen -W 'uniform sequential zipf scrambled latest' -- "$cur")
		return
		;;
	-e | --events)
		mapfile -t COMPREPLY < <(compgen -W 'created changed attributes deleted expired renamed exchanged' -- "$cur")
		return
		;;
	--workload)
		mapfile -t COMPREPLY < <(compgen -W 'a b c d e f' -- "$cur")
		return
		;;
	esac
	case $command in
	put) options+=' --recursive --if-absent --ttl --keep-ttl --quiet' ;;
	get) options+=' --recursive --offset --length --quiet' ;;
	append) options+=' --offset' ;;
	incr | decr) options+=' --existing --initial --ttl' ;;
	counter) options+=' --set --if' ;;
	mget) options+=' --null' ;;
	ls) options+=' --long --recursive --prefix --human-readable --unsorted --json' ;;
	stat) options+=' --json' ;;
	rm) options+=' --recursive --force' ;;
	quota) options+=' --bytes --objects --remove --human-readable --json' ;;
	watch) options+=' --prefix --events --count --timeout --json' ;;
	df) options+=' --human-readable --json' ;;
	fsck) options+=' --json --quiet' ;;
	ping) options+=' --count --interval --quiet --json' ;;
	bench) options+=' --ops --sizes --keys --distribution --workload --threads --depth --seconds --operations --warm-up --rate --cpus --cold --flat --batch --load --run --keep --prefix --scan-length --seed --verify --progress --json --csv' ;;
	repl) options+=' --keep-going' ;;
	profile) options+=' --seconds --json' ;;
	top) options+=' --interval --iterations --json' ;;
	doctor) options+=' --pool --to --seconds --threads --json' ;;
	'') options+=' --version' ;;
	esac
	if [[ $cur == -?* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	_far_argument_number
	case $command:$number in
	'':* | help:0) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	doctor:*) mapfile -t COMPREPLY < <(compgen -W 'rdma fuse memory net' -- "$cur") ;;
	put:0 | append:0 | get:1 | cas:2)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	put:1 | append:1 | mget:* | get:0 | cas:0 | incr:0 | decr:0 | counter:* | ls:0 | mv:[01] | stat:* | rm:* | mkdir:* | expire:* | persist:* | ttl:* | pin:* | unpin:* | quota:* | watch:*) _far_keys ;;
	esac
}

complete -F _far far
