/**
 * What must be true at the end of a run, when everything has healed and had time to settle: the state of both kernels,
 * of both disks, and of what the routers know of each other. It looks at nothing while things go wrong.
 */
import type { RouterView, Stage } from './stage.ts';
import type { Break } from './watch.ts';

/** R8 and R10, for the pair. */
export function checkAftermath(stage: Stage, fail: Break): void {
  const [a, b] = stage.routers.map(({ disk }) => disk);
  // A lease that was renewed in the last moment is still on its way to the partner.
  const isUnderWay =
    stage.plan.delegating !== undefined &&
    Math.abs((a?.generation ?? 0) - (b?.generation ?? 0)) === 1;
  const isBehind = a?.generation !== b?.generation && !isUnderWay;
  if (a?.epoch !== b?.epoch || isBehind || a?.holder !== b?.holder) {
    fail('R8', `the disks hold ${describe(a)} and ${describe(b)}`);
  }
  if (a?.facts?.key.sessionId !== b?.facts?.key.sessionId)
    fail('R8', `the disks hold two sessions in ${describe(a)}`);
  for (const router of stage.routers) {
    const status = router.status();
    if (status === undefined) continue;
    const us = `router ${router.index}`;
    const reasons = status.demoted;
    if (router.demoted !== reasons.length > 0) {
      fail('R10', `${us} is ${router.demoted ? '' : 'not '}demoted, for [${reasons.join(', ')}]`);
    }
    if (reasons.includes('hold-down')) fail('R10', `${us} is held down for ever`);
    if (status.partner.message === undefined) fail('R8', `${us} does not hear its partner`);
    if (status.state === 'Holding') checkHolder(router, status.proven, stage, fail);
    else if (status.state === 'Standby') checkStandby(router, stage, fail);
    // There each is MASTER of its own accord, and keeps away from the other's session.
    else if (status.state === 'Fenced' && stage.plan.policy === 'pinned') checkFenced(router, fail);
    else fail('R8', `${us} ends ${status.state}`);
  }
}

const describe = (snapshot: RouterView['disk'] | undefined): string =>
  `${snapshot?.epoch}.${snapshot?.generation} of ${snapshot?.holder}`;

function checkHolder(router: RouterView, proven: boolean, stage: Stage, fail: Break): void {
  const { kernel, disk, index } = router;
  const us = `router ${index}, the holder,`;
  if (stage.role(index) !== 'MASTER') fail('R8', `${us} is ${stage.role(index)}`);
  if (disk.facts === null) return;
  if (kernel.attached?.sessionId !== disk.facts.key.sessionId)
    fail('R8', `${us} is not attached to the session on its disk`);
  if (disk.facts.key.sessionId !== stage.live()) return;
  if (!kernel.gate) fail('R8', `${us} has a closed gate`);
  if (kernel.isUp !== true) fail('R8', `${us} has its interface ${state(kernel.isUp)}`);
  if (kernel.route !== 'session') fail('R8', `${us} routes via ${kernel.route}`);
  if (!proven) fail('R8', `${us} has not proven a session that the AC carries`);
}

function checkStandby(router: RouterView, stage: Stage, fail: Break): void {
  const { kernel, disk, index } = router;
  const us = `router ${index}, the standby,`;
  if (kernel.gate) fail('R2', `${us} has an open gate`);
  const partner = stage.routers[1 - index];
  const via = partner?.disk.facts === null ? 'none' : 'partner';
  if (kernel.route !== via) fail('R8', `${us} routes via ${kernel.route}`);
  if (kernel.attached?.sessionId !== disk.facts?.key.sessionId)
    fail('R8', `${us} is not attached to the session on its disk`);
  if (disk.facts === null) return;
  if (kernel.isUp !== false) fail('R8', `${us} has its interface ${state(kernel.isUp)}`);
  if (router.helper?.autoOpen !== true) fail('R8', `${us} would not open its gate by itself`);
}

function checkFenced({ kernel, helper, index }: RouterView, fail: Break): void {
  const us = `router ${index}, fenced,`;
  if (kernel.gate) fail('R9', `${us} has an open gate`);
  if (kernel.route !== 'none') fail('R8', `${us} routes via ${kernel.route}`);
  if (helper?.autoOpen === true) fail('R9', `${us} would open its gate by itself`);
}

const state = (isUp: boolean | undefined): string =>
  isUp === undefined ? 'without addresses' : isUp ? 'up' : 'down';
