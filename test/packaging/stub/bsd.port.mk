# What the port uses of the ports framework, on any system: the tools it names, and nothing else.
SETENV?=	env
SH?=		/bin/sh
MKDIR?=		mkdir -p
