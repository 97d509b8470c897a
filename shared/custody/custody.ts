/** Custody: where a CA key lives, by evidence, and whether that is good enough to sign with it. */
export * from './cmvp-modules.ts';
export * from './evaluate-cluster.ts';
export * from './evaluate-custody.ts';
export * from './finding.ts';
export * from './key-description.ts';
export * from './owner-validations.ts';
export * from './stage.ts';
