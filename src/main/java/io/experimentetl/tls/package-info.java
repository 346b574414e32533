/** Encrypted connections: the files of certificates and keys, and what a failed handshake means. */
package io.experimentetl.tls;
