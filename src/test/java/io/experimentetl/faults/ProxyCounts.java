package io.experimentetl.faults;

/**
 * The counters of a proxy since its start.
 *
 * @param connections accepted connections, including refused ones
 * @param refused connections that were reset at once, because of a fault or because the server did
 *     not answer
 * @param hungUp connections that a fault ended
 * @param requests HTTP requests with a complete head
 * @param answers answers of the server, including those that did not reach the client
 * @param faults requests with a fault
 * @param bytesToServer bytes forwarded to the server
 * @param bytesToClient bytes forwarded to the client
 */
public record ProxyCounts(
    long connections,
    long refused,
    long hungUp,
    long requests,
    long answers,
    long faults,
    long bytesToServer,
    long bytesToClient) {}
