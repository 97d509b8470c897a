import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/**
 * `npm test`: all that needs no Docker and no account. Each file runs in a process of its own (a PKCS#11 library is
 * initialised once a process, so threads would not do), two at a time.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/aws/**', 'test/slow/**', 'test/**/*.slow.test.ts', 'node_modules/**'],
    // Commands and services that tests start as processes: what one of them compiled, the next need not.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'node-compile') },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: [['default', { summary: false }], './test/support/closing-line-reporter.ts'],
  },
});
