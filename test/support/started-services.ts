/** Services that a test file starts in a folder of its own, with nothing of them left behind by any test. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectDir, type RunningProcesses, signal, softwareHierarchy, startProcesses } from './service.ts';

export interface StartedServices {
  readonly folder: string;
  /** The sample hierarchy with every key in a file. */
  readonly softwareFile: string;
  start(options?: Parameters<typeof startProcesses>[0]): Promise<RunningProcesses>;
  /** To be left alone by `stopAll`, since the test has stopped it. */
  forget(service: RunningProcesses): void;
  /** Options of a start on CAs of files, on a state of that name. */
  local(name: string): { readonly stateDir: string; readonly hierarchyFile: string };
  stopAll(): Promise<void>;
  end(): void;
}

export function openStartedServices(name: string): StartedServices {
  const folder = mkdtempSync(join(tmpdir(), `sealwright ${name} `));
  const softwareFile = join(folder, 'software.yaml');
  writeFileSync(softwareFile, softwareHierarchy(readFileSync(join(projectDir, 'hierarchy.yaml'), 'utf8')));
  const running = new Set<RunningProcesses>();
  const groups = new Set<number>();
  return {
    folder,
    softwareFile,
    async start(options = {}) {
      const service = await startProcesses({ ...options, onSpawned: (main) => void groups.add(main.pid!) });
      running.add(service);
      return service;
    },
    forget: (service) => void running.delete(service),
    local: (state) => ({ stateDir: join(folder, state), hierarchyFile: softwareFile }),
    async stopAll() {
      for (const service of running) await service.stop();
      running.clear();
      for (const group of groups) signal(-group, 'SIGKILL');
      groups.clear();
    },
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
