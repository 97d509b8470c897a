import { defineConfig } from 'vitest/config';
import fast from './vitest.config.ts';

/** `npm run test:slow`: what takes minutes, such as killing the real processes under load. One at a time. */
export default defineConfig({
  test: {
    ...fast.test,
    include: ['test/**/*.slow.test.ts'],
    exclude: ['node_modules/**'],
    maxWorkers: 1,
    testTimeout: 1_200_000,
  },
});
