# fish completion for pppthingctl(8).

function __pppthingctl_sessions
    pppthingctl status --json 2>/dev/null | sed -n 's/^      "name": "\(.*\)",*$/\1/p'
end

complete -c pppthingctl -f
complete -c pppthingctl -n __fish_use_subcommand -l run -x -a '(__fish_complete_directories)' -d 'where the sockets are'
complete -c pppthingctl -n __fish_use_subcommand -l config -r -F -d 'the configuration'

complete -c pppthingctl -n __fish_use_subcommand -a status -d 'who holds the session, and how it is'
complete -c pppthingctl -n __fish_use_subcommand -a watch -d 'the same, every second'
complete -c pppthingctl -n __fish_use_subcommand -a events -d 'what happened; with -f, and what happens'
complete -c pppthingctl -n __fish_use_subcommand -a handoff -d 'give the session to the partner'
complete -c pppthingctl -n __fish_use_subcommand -a connect -d 'take the session, or dial'
complete -c pppthingctl -n __fish_use_subcommand -a disconnect -d 'end the session with the AC, and stay down'
complete -c pppthingctl -n __fish_use_subcommand -a reconnect -d 'end the session with the AC, and dial anew'
complete -c pppthingctl -n __fish_use_subcommand -a log -d 'show or set the level: error, warn, info, debug, trace'
complete -c pppthingctl -n __fish_use_subcommand -a keygen -d 'a line for the key file of both routers'
complete -c pppthingctl -n __fish_use_subcommand -a check-config -d 'every mistake in the configuration'
complete -c pppthingctl -n __fish_use_subcommand -a version -d 'of this command and of the supervisor'
complete -c pppthingctl -n __fish_use_subcommand -a help -d 'what there is'

complete -c pppthingctl -n '__fish_seen_subcommand_from status' -a --json
complete -c pppthingctl -n '__fish_seen_subcommand_from events' -a '-f --json'
complete -c pppthingctl -n '__fish_seen_subcommand_from handoff' -a --wait
complete -c pppthingctl -n '__fish_seen_subcommand_from status watch handoff connect disconnect reconnect' -a '(__pppthingctl_sessions)'
complete -c pppthingctl -n '__fish_seen_subcommand_from log' -a 'error warn info debug trace'
complete -c pppthingctl -n '__fish_seen_subcommand_from check-config' -F
