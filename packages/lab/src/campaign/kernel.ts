/** What a simulated router's kernel holds of the session, and whether a request would change it. It carries nothing. */
import type { Action, RouteTarget } from '@ppp-thing/protocol/engine/events';
import type { SessionKey } from '@ppp-thing/protocol/session';

export interface SimKernel {
  attached: SessionKey | null;
  gate: boolean;
  /** The session's interface; undefined while it has no addresses. */
  isUp: boolean | undefined;
  route: RouteTarget;
  /** What the LANs were given, as text; absent before anything was. */
  prefixes?: string;
}

/** Whether a kernel that is short of something has to do anything for `request`. It closes a gate all the same. */
export function changes(
  { kernel, demoted }: { readonly kernel: SimKernel; readonly demoted: boolean },
  request: Action,
): boolean {
  const { attached, gate, isUp, route } = kernel;
  switch (request.kind) {
    case 'attach':
      return attached?.sessionId !== request.key.sessionId;
    case 'detach':
      return attached !== null;
    case 'gate':
      return request.open && !gate;
    case 'configure':
      return isUp !== request.settings.up;
    case 'deconfigure':
      return isUp !== undefined;
    case 'route':
      return route !== request.via;
    case 'demote':
      return demoted !== request.on;
    default:
      return true;
  }
}
