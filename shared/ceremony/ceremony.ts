/** Key ceremonies: scripts, transcripts, rosters, and their verification. Pure; what acts is in the command. */
export * from './certified.ts';
export * from './reason.ts';
export * from './record.ts';
export * from './roster.ts';
export * from './script.ts';
export { formatScriptFault, type ScriptFault, type ScriptFaultCode, scriptFaultCodes } from './script-fault.ts';
export * from './ssh-signature.ts';
export * from './transcript.ts';
export * from './verify-signatures.ts';
export * from './verify-transcript.ts';
