# fish completion for pppthingctl(8). Install in a directory of $fish_complete_path.

function __pppthingctl_sessions
    pppthingctl status --json 2>/dev/null | string replace -rf '^      "name": "(.*)",$' '$1'
end

set -l commands status watch events handoff connect disconnect reconnect log web doctor keygen check-config version help

complete -c pppthingctl -f
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -l run -r -d 'where the sockets are'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -l config -r -F -d 'what check-config checks'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -s h -l help -d 'the commands'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -l version -d 'of this command'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a status -d 'show who holds the session, and its state'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a watch -d 'the same, every second'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a events -d 'what happened'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a handoff -d 'give the session to the partner'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a connect -d 'undo disconnect or handoff'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a disconnect -d 'end the session at the AC and stay down'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a reconnect -d 'end the session at the AC and dial again'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a log -d 'show or set the log level'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'list the faults of this router, with remedies'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a web -d 'serve a status page for a browser'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a keygen -d 'print a line for the key file of both routers'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a check-config -d 'list every error in the configuration'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a version -d 'show the versions of this command and of the supervisor'
complete -c pppthingctl -n "not __fish_seen_subcommand_from $commands" -a help -d 'the commands'

complete -c pppthingctl -n '__fish_seen_subcommand_from status events doctor' -l json -d 'as the API says it'
complete -c pppthingctl -n '__fish_seen_subcommand_from status' -l check -d 'one line and an exit code, as Nagios'
complete -c pppthingctl -n '__fish_seen_subcommand_from events' -s f -l follow -d 'and what happens'
complete -c pppthingctl -n '__fish_seen_subcommand_from handoff' -l wait -d 'until it is done'
complete -c pppthingctl -n '__fish_seen_subcommand_from status watch handoff connect disconnect reconnect' -a '(__pppthingctl_sessions)'
complete -c pppthingctl -n '__fish_seen_subcommand_from web' -l listen -x -d 'where, as 127.0.0.1:8808'
complete -c pppthingctl -n '__fish_seen_subcommand_from log' -a 'error warn info debug trace'
complete -c pppthingctl -n '__fish_seen_subcommand_from check-config doctor' -F
