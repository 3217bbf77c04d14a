/** A machine with the lab's own kernel, which the sim backend asks by its verbs. */
import type { Answer, Call } from '@ppp-thing/helper/sim/line';
import type { CarpRole } from '../line/carp.ts';
import { RouterKernel, type KernelEvent, type KernelOutput } from '../line/router.ts';
import { Door } from './door.ts';
import type { Machine, MachineOptions } from './machine.ts';
import { ADDRESSES } from './setting.ts';

export class SimMachine implements Machine {
  readonly #options: MachineOptions;
  #kernel = new RouterKernel();
  #door: Door | undefined;
  #isOn = false;
  /** What the sessions demote it by, and what its boot does. */
  #demotions = { sessions: 0, boot: 0 };

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  async powerOn(path: string, demotion: number): Promise<void> {
    const door = new Door((call) => this.#call(call));
    await door.open(path);
    this.#kernel = new RouterKernel();
    this.#door = door;
    this.#isOn = true;
    this.#demote({ sessions: 0, boot: demotion });
  }

  booted(): void {
    this.#demote({ ...this.#demotions, boot: 0 });
  }

  async powerOff(): Promise<void> {
    const door = this.#door;
    this.#isOn = false;
    this.#door = undefined;
    await door?.close();
  }

  frame(frame: Uint8Array): void {
    this.#feed({ kind: 'frame', frame });
  }

  role(role: CarpRole): void {
    this.#feed({ kind: 'role', role });
  }

  get isOpen(): boolean {
    return this.#isOn && this.#kernel.gateOpen(ADDRESSES.session);
  }

  get attached(): number | undefined {
    if (!this.#isOn) return undefined;
    return this.#kernel.shown(ADDRESSES.session)?.attached?.sessionId;
  }

  get isUp(): boolean {
    return this.#isOn && this.#kernel.shown(ADDRESSES.session)?.settings?.up === true;
  }

  lan(packet: Uint8Array): void {
    this.#feed({ kind: 'lan', session: ADDRESSES.session, packet });
  }

  #call(call: Call): Answer {
    let given: Answer | undefined;
    for (const output of this.#kernel.handle({ kind: 'call', call })) {
      if (output.kind === 'answer') given = output.answer;
      else this.#options.queue.do(() => this.#perform(output));
    }
    if (given === undefined) throw new Error(`the kernel did not answer ${call.call}`);
    return given;
  }

  #feed(event: KernelEvent): void {
    if (!this.#isOn) return;
    for (const output of this.#kernel.handle(event))
      this.#options.queue.do(() => this.#perform(output));
  }

  #perform(output: KernelOutput): void {
    const { news } = this.#options;
    if (!this.#isOn) return;
    switch (output.kind) {
      case 'transmit':
        return news.transmit(output.frame);
      case 'event':
        return this.#door?.tell(output.event);
      case 'gate':
        return news.gate(output.open);
      case 'attached':
        return news.attached(output.sessionId);
      case 'demotion':
        return this.#demote({ ...this.#demotions, sessions: output.amount });
      case 'to-partner':
        return news.toPartner(output.packet);
      case 'answer':
      case 'lan':
        return;
      default: {
        const unreachable: never = output;
        return unreachable;
      }
    }
  }

  #demote(demotions: { readonly sessions: number; readonly boot: number }): void {
    this.#demotions = demotions;
    this.#options.news.demotion(demotions.sessions + demotions.boot);
  }
}
