package io.experimentetl.tls;

import java.io.Serializable;

/**
 * How a connection to a server is encrypted whose protocol can do without.
 *
 * @param files none where the mode does not need them
 */
public record ServerTls(TlsMode mode, TlsFiles files) implements Serializable {
  /** Encrypted if the server offers it, without any check. */
  public static final ServerTls PREFERRED = new ServerTls(TlsMode.PREFER, TlsFiles.NONE);
}
