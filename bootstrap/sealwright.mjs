#!/usr/bin/env node
import { main } from './commands.mjs';

process.exit(await main(['cli', ...process.argv.slice(2)]));
