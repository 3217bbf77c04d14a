/**
 * The whole lab: world, relay and routers in one temporary directory, with what the scenes do to them. It knows no
 * scene, and leaves nothing behind.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, ProcessName, RouterName } from './bus.ts';
import { Dhcp6Port } from './dhcp6.ts';
import { Relay } from './relay.ts';
import { Router } from './router.ts';
import { World, ROUTERS } from './world.ts';

interface LabOptions {
  readonly bus: Bus;
  /** The program that runs helper and supervisor. */
  readonly runtime: string;
  /** Whether the routers ask for a prefix. */
  readonly delegates?: boolean;
  /** How long a second of CARP's lasts, milliseconds. */
  readonly carpSecondMs: number;
  /** Leave the temporary directory. */
  readonly keep: boolean;
  readonly verbose: boolean;
}

/** What pfsync demotes a router by until its bulk update is in (pfsync(4)). */
const PFSYNC_DEMOTION = 240;
const BULK_UPDATE_MS = 300;
/** Octets before the part that chance adds, so that `/r1/run/control.sock` fits in a socket's address (BSD: 103). */
const LONGEST_PARENT = 76;
/** How soon a service manager starts a process again. */
const RESTART_MS = 500;
/** Processes are up by then on the slowest machine, and a router is as good as booted. */
const BOOT_MS = 120_000;

type Dhcp6Ports = Readonly<Record<RouterName, Dhcp6Port>>;

export class Lab {
  readonly bus: Bus;
  readonly world: World;
  readonly directory: string;
  readonly #routers: Readonly<Record<RouterName, Router>>;
  readonly #relay: Relay;
  readonly #dhcp6: Dhcp6Ports | undefined;
  readonly #keep: boolean;

  private constructor(
    options: LabOptions,
    directory: string,
    relay: Relay,
    dhcp6: Dhcp6Ports | undefined,
    routers: Readonly<Record<RouterName, Router>>,
  ) {
    this.bus = options.bus;
    this.world = new World({ ...options, dhcp6 });
    this.directory = directory;
    this.#relay = relay;
    this.#dhcp6 = dhcp6;
    this.#routers = routers;
    this.#keep = options.keep;
  }

  static async open(options: LabOptions): Promise<Lab> {
    const { bus, runtime, verbose, delegates } = options;
    bus.listen((it) => {
      if (it.kind === 'exit' && !it.wanted)
        bus.stop(new Error(`run the ${it.process} of ${it.router}: it ended by itself: ${it.how}`));
    });
    const parent = join(tmpdir(), 'ppp-lab-');
    if (Buffer.byteLength(parent) > LONGEST_PARENT)
      throw new Error(`make ${parent}: ENAMETOOLONG: sockets would not fit; set TMPDIR`);
    const directory = await mkdtemp(parent);
    const keyFile = join(directory, 'partner.key');
    await writeFile(keyFile, `1 ${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    const relay = await Relay.open((from) => bus.tell({ kind: 'datagram', from }));
    const dhcp6 =
      delegates === true ? { r1: await Dhcp6Port.open(), r2: await Dhcp6Port.open() } : undefined;
    const router = (name: RouterName): Router =>
      new Router({
        name,
        directory: join(directory, name),
        keyFile,
        ends: relay.ends[name],
        dhcp6: dhcp6?.[name].number,
        runtime,
        logLevel: verbose ? 'debug' : 'info',
        bus,
      });
    const routers = { r1: router('r1'), r2: router('r2') };
    for (const name of ROUTERS) {
      await mkdir(join(directory, name));
      await routers[name].prepare();
    }
    return new Lab(options, directory, relay, dhcp6, routers);
  }

  /** The routers ask for a prefix. */
  get delegates(): boolean {
    return this.#dhcp6 !== undefined;
  }

  router(name: RouterName): Router {
    return this.#routers[name];
  }

  /**
   * Both cables in, both processes started. CARP is up before they are, as it is when a machine boots; pfsync keeps the
   * routers demoted until its bulk update is in, which here is a moment after they have all spoken to their partners.
   */
  async powerOn(...names: readonly RouterName[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const router = this.#routers[name];
        this.bus.tell({ kind: 'lab', text: `power on ${name}` });
        await this.world.powerOn(name, router.kernelSocket, PFSYNC_DEMOTION);
        router.start();
        await this.#spoken(name);
      }),
    );
    await this.bus.pass(BULK_UPDATE_MS);
    // On a busy machine one supervisor demotes its router for longer than the other, which must not look like a failure of it.
    await this.bus.waitUntil('routers that only pfsync demotes', BOOT_MS, () =>
      names.every((name) => this.world.demotion(name) === PFSYNC_DEMOTION),
    );
    for (const name of names) this.world.machine(name).booted();
  }

  /** Power, both cables and both processes, all at once. */
  async powerCut(name: RouterName): Promise<void> {
    this.bus.tell({ kind: 'lab', text: `power cut ${name}: kill -9, cables dead, kernel gone` });
    await Promise.all([this.#routers[name].kill(), this.world.powerCut(name)]);
  }

  /** Kill one process, and start it again as its service manager would. Done when its router speaks again. */
  async killProcess(name: RouterName, which: ProcessName): Promise<void> {
    this.bus.tell({ kind: 'lab', text: `kill -9 the ${which} of ${name}` });
    const process = this.#routers[name][which];
    await process.kill();
    await this.bus.pass(RESTART_MS);
    this.bus.tell({ kind: 'lab', text: `start the ${which} of ${name} again` });
    const speaks = this.bus.waitFor(
      `an Echo-Request through the ${which} of ${name}`,
      BOOT_MS,
      (it) => (it?.kind === 'spoke' && it.router === name) || undefined,
    );
    process.start();
    await speaks;
  }

  /** Every process gone, every socket closed, and the directory removed unless it is to be kept. */
  async close(): Promise<void> {
    await Promise.all(Object.values(this.#routers).map(async (router) => router.kill()));
    this.#relay.close();
    for (const port of Object.values(this.#dhcp6 ?? {})) port.close();
    await this.world.stop();
    if (!this.#keep) await rm(this.directory, { recursive: true, force: true });
  }

  /** The supervisor of `name` has told its partner something: both of its processes are up. */
  async #spoken(name: RouterName): Promise<void> {
    await this.bus.waitFor(
      `the first word of ${name} to its partner`,
      BOOT_MS,
      (it) => (it?.kind === 'datagram' && it.from === name) || undefined,
    );
  }
}
