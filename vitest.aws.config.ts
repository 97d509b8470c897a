import { defineConfig } from 'vitest/config';
import fast from './vitest.config.ts';

/**
 * The tests that want the local emulators of AWS. `npm run test:aws` starts those and names them in
 * SEALWRIGHT_TEST_DYNAMODB_ENDPOINT, SEALWRIGHT_TEST_SQS_ENDPOINT, and so on; a file whose emulator is not there fails.
 */
export default defineConfig({
  test: {
    ...fast.test,
    include: ['test/aws/**/*.test.ts'],
    exclude: ['node_modules/**'],
    reporters: [['default', { summary: false }], './localstack/emulators/lane-reporter.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
