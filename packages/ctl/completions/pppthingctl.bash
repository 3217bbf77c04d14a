# bash completion for pppthingctl(8). Install as /usr/share/bash-completion/completions/pppthingctl, or source it.

_pppthingctl_sessions() {
  pppthingctl "${_pppthingctl_run[@]}" status --json 2>/dev/null |
    sed -n 's/^      "name": "\(.*\)",$/\1/p'
}

_pppthingctl() {
  local current=${COMP_WORDS[COMP_CWORD]} command='' at=1 words=''
  local -a _pppthingctl_run=()
  COMPREPLY=()
  while ((at < COMP_CWORD)); do
    case ${COMP_WORDS[at]} in
      --run) _pppthingctl_run=(--run "${COMP_WORDS[at + 1]}"); at=$((at + 1)) ;;
      --config) at=$((at + 1)) ;;
      -*) ;;
      *) command=${COMP_WORDS[at]}; break ;;
    esac
    at=$((at + 1))
  done
  if ((at > COMP_CWORD)); then
    # The value of --run or --config.
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  case $command in
    '')
      words='status watch events handoff connect disconnect reconnect log web doctor keygen check-config version help'
      words+=' --run --config --help --version'
      ;;
    status) words="--json --check $(_pppthingctl_sessions)" ;;
    events) words='-f --follow --json' ;;
    handoff) words="--wait $(_pppthingctl_sessions)" ;;
    watch | connect | disconnect | reconnect) words=$(_pppthingctl_sessions) ;;
    log) words='error warn info debug trace' ;;
    doctor)
      mapfile -t COMPREPLY < <(compgen -W --json -f -- "$current")
      return
      ;;
    web) words='--listen' ;;
    check-config)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o filenames -F _pppthingctl pppthingctl
