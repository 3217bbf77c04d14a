/** The configuration as facts. It turns each secret into a digest under the partner key, or leaves it out. */
import { createHmac } from 'node:crypto';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { readConfig, type Config } from '@ppp-thing/supervisor/config';
import { UnreadableError } from '@ppp-thing/supervisor/errors';
import { readKeys } from '@ppp-thing/supervisor/keys';
import { known, unknown, type ConfigFacts, type Known } from './facts.ts';

interface Gathered {
  readonly facts: Known<ConfigFacts>;
  readonly config: Config | undefined;
}

export function gatherConfig(file: string): Gathered {
  try {
    const config = readConfig(file);
    return { facts: known(factsOf(config, file)), config };
  } catch (cause) {
    const none = (why: string): Gathered => ({ facts: unknown(why), config: undefined });
    if (cause instanceof ConfigError) return none(`${file} is wrong: run pppthingctl check-config`);
    if (!(cause instanceof UnreadableError)) throw cause;
    // The unreadable file may be the key_file or a password_file.
    return none(cause.code === 'EACCES' ? `${cause.message}; run as root` : cause.message);
  }
}

function factsOf(config: Config, file: string): ConfigFacts {
  const { partner } = config;
  const digest = digester(config);
  const shared: Record<string, string> = {};
  for (const { engine, shared: values } of config.sessions) {
    const path = `session.${engine.name}`;
    for (const [key, value] of Object.entries(values)) shared[`${path}.${key}`] = value;
    if (digest !== undefined)
      shared[`${path}.password`] = digest(path, engine.link.password.reveal());
  }
  if (partner !== undefined) shared['partner.protocol'] = JSON.stringify(partner.protocol);
  return {
    file,
    partner:
      partner === undefined
        ? null
        : {
            protocol: partner.protocol,
            address: partner.address,
            localAddress: partner.localAddress,
            keyFile: partner.keyFile,
          },
    shared,
    sessions: config.sessions.map(
      ({ engine, interface: line, mac, pcp, stub, carp, route, lans, ipv6 }) => ({
        name: engine.name,
        interface: line,
        mac,
        mtu: engine.link.mtu,
        pcp,
        stub,
        policy: engine.owner.policy,
        carpInterface: carp.interface,
        carpVhid: carp.vhid,
        carpAddress: carp.address,
        demotionFile: carp.demotionFile,
        isFast: engine.owner.fastTakeover !== undefined,
        route,
        ipv6: ipv6 && { ...ipv6, subnets: [...lans.values()].map(({ subnet }) => subnet) },
      }),
    ),
  };
}

/** Without the partner key nobody can try passwords against the digest. Undefined if there is no key. */
function digester({ partner }: Config): ((path: string, secret: string) => string) | undefined {
  if (partner?.keyFile === undefined) return undefined;
  const { byId } = readKeys(partner.keyFile, partner.activeKey);
  // The lowest key, not the active one: during a rotation the two routers have different active keys.
  const key = byId.get(Math.min(...byId.keys()));
  if (key === undefined) return undefined;
  return (path, secret) =>
    createHmac('sha256', key).update(`doctor\0${path}\0${secret}`).digest('hex').slice(0, 16);
}
