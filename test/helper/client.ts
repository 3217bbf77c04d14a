/** A supervisor for tests: speaks the vocabulary over a real Unix socket, and says what it was told. */
import { connect, type Socket } from 'node:net';
import {
  Deframer,
  decodeHelperMessage,
  encodeMessage,
  isReply,
} from '@ppp-thing/protocol/ipc/framing';
import {
  PROTOCOL_VERSION,
  type Notice,
  type Reply,
  type Request,
} from '@ppp-thing/protocol/ipc/messages';

type Unnumbered<R> = R extends Request ? Omit<R, 'id'> : never;
export type Wish = Unnumbered<Request>;

/** What a supervisor of this release says first. */
export const HELLO = {
  verb: 'hello',
  version: PROTOCOL_VERSION,
} as const satisfies Wish;

const PATIENCE_MS = 300_000;

export class Client {
  readonly replies: Reply[] = [];
  readonly notices: Notice[] = [];
  readonly #socket: Socket;
  readonly #deframer = new Deframer();
  #wishes: (() => void)[] = [];
  #id = 0;
  closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      for (const value of this.#deframer.push(chunk)) {
        const message = decodeHelperMessage(value);
        if (isReply(message)) this.replies.push(message);
        else this.notices.push(message);
      }
      this.#changed();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
  }

  static async connect(path: string): Promise<Client> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', reject);
    });
    return new Client(socket);
  }

  /** Connected and greeted. */
  static async greet(path: string): Promise<Client> {
    const client = await Client.connect(path);
    await client.ask(HELLO);
    return client;
  }

  /** Send a request and wait for its answer. */
  async ask(wish: Wish): Promise<Reply> {
    const id = this.send(wish);
    return this.until(`the answer to ${wish.verb}`, () =>
      this.replies.find((each) => each.id === id),
    );
  }

  /** The code of the failure that answers, or `done`. */
  async outcome(wish: Wish): Promise<string> {
    const reply = await this.ask(wish);
    return 'failed' in reply ? reply.failed.code : 'done';
  }

  send(wish: Wish): number {
    const id = ++this.#id;
    this.#socket.write(encodeMessage({ ...wish, id }));
    return id;
  }

  sendValue(value: unknown): void {
    this.#socket.write(encodeMessage(value));
  }

  sendOctets(octets: Uint8Array): void {
    this.#socket.write(octets);
  }

  /** Read nothing until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Wait until `found` gives something. */
  until<T>(what: string, found: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
      const look = (): void => {
        const result = found();
        if (result === undefined) {
          this.#wishes.push(look);
          return;
        }
        clearTimeout(timer);
        resolve(result);
      };
      look();
    });
  }

  untilClosed(): Promise<true> {
    return this.until('the end of the connection', () => this.closed || undefined);
  }

  /** Look again: something that this connection does not show has changed. */
  look(): void {
    this.#changed();
  }

  #changed(): void {
    const wishes = this.#wishes;
    this.#wishes = [];
    for (const look of wishes) look();
  }
}
