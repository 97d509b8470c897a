/** Which test file runs on which emulators: by the beginning of its name, up to the first dot. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EmulatorName } from './emulators.ts';
import { projectDir } from './install.ts';

const needsOf: Readonly<Record<string, readonly EmulatorName[]>> = {
  dynamodb: ['dynamodb'],
  sqs: ['localstack'],
  s3: ['localstack'],
  stack: ['localstack', 'dynamodb', 'acm-pca'],
  hierarchy: ['dynamodb', 'acm-pca'],
  cloudhsm: ['moto'],
  pca: ['moto', 'acm-pca'],
  ministack: ['ministack', 'acm-pca'],
};

export interface LaneFile {
  /** Within the project. */
  readonly file: string;
  readonly needs: readonly EmulatorName[];
}

/** The files of test/aws. Throws for one that no emulator is known for: it would run on nothing. */
export function laneFiles(): readonly LaneFile[] {
  const names = readdirSync(join(projectDir, 'test', 'aws'), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => {
      const family = /([a-z0-9-]+)(?:\.[^/]*)?\.test\.ts$/.exec(name)?.[1] ?? '';
      const key = Object.keys(needsOf).find((one) => family === one || family.startsWith(`${one}-`));
      if (key === undefined)
        throw new Error(
          `test/aws/${name}: its name has to begin with ${Object.keys(needsOf).join(', ')} (localstack/emulators/lanes.ts)`,
        );
      return { file: join('test', 'aws', name), needs: needsOf[key]! };
    });
}

/** What the lane tells its reporter, as JSON in SEALWRIGHT_TEST_LANE. */
export interface LanePlan {
  readonly titles: Readonly<Partial<Record<EmulatorName, string>>>;
  readonly run: readonly LaneFile[];
  readonly left: readonly { readonly file: string; readonly reason: string }[];
}
