/**
 * The fleet makes its requests and reads its certificates with a library that is not ours, so that a fault of our own
 * parser or writer cannot hide itself. The library needs the metadata polyfill before it loads.
 */
import 'reflect-metadata';

export * from '@peculiar/x509';
