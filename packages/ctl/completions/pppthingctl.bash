# shellcheck shell=bash
# bash completion for pppthingctl(8).

_pppthingctl_sessions() {
	pppthingctl status --json 2>/dev/null | sed -n 's/^      "name": "\(.*\)",*$/\1/p'
}

_pppthingctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i words=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--run | --config) ((i++)) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $previous in
	--run)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return
		;;
	--config | check-config)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	esac
	case $command in
	'') words='status watch events handoff connect disconnect reconnect log keygen check-config version help --run --config' ;;
	status) words="--json $(_pppthingctl_sessions)" ;;
	events) words='-f --json' ;;
	handoff) words="--wait $(_pppthingctl_sessions)" ;;
	watch | connect | disconnect | reconnect) words=$(_pppthingctl_sessions) ;;
	log) words='error warn info debug trace' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _pppthingctl pppthingctl
