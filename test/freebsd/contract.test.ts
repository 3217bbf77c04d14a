/**
 * The backend contract on the fake FreeBSD kernel, also where the kernel's work lags behind its answers.
 */
import { backendContract } from '../backend-contract.ts';
import { freebsdWorld } from './world.ts';

backendContract('freebsd', () => freebsdWorld());
backendContract('freebsd that lags', () => freebsdWorld({ lag: 3 }));
