package io.experimentetl.tls;

/** How much a connection to PostgreSQL demands of TLS: the values of libpq's {@code sslmode}. */
public enum TlsMode {
  /** Never encrypted. */
  DISABLE,
  /** Encrypted if the server offers it. */
  PREFER,
  /** Encrypted; the server's certificate is not checked. */
  REQUIRE,
  /** Encrypted, and a CA that the job trusts has signed the server's certificate. */
  VERIFY_CA,
  /** The same, and the certificate is for the host that the job connects to. */
  VERIFY_FULL;

  /** Whether a connection without TLS is refused. */
  public boolean demandsTls() {
    return compareTo(REQUIRE) >= 0;
  }

  /** Whether the server must prove who it is. */
  public boolean checksServer() {
    return compareTo(VERIFY_CA) >= 0;
  }
}
