package io.experimentetl.faults;

/**
 * What a proxy has seen and done since it was started.
 *
 * @param connections accepted, refused ones included
 * @param refused connections that were reset at once, because the proxy was told to or because the
 *     server didn't answer
 * @param hungUp connections that a fault has ended
 * @param requests HTTP requests whose head has come
 * @param answers of the server to requests, those that didn't reach the client included
 * @param faults requests that a fault was applied to
 * @param bytesToServer bytes passed on
 * @param bytesToClient bytes passed back
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
