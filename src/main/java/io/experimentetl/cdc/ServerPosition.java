package io.experimentetl.cdc;

/**
 * Which PostgreSQL cluster it is, and the end of its WAL.
 *
 * @param systemIdentifier given by initdb, shared with physical standbys
 */
record ServerPosition(long systemIdentifier, long walEndLsn) {}
