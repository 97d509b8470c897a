/** An independent X.509 library to hold ours against. It wants the metadata polyfill loaded before it. */
import 'reflect-metadata';

export * from '@peculiar/x509';
