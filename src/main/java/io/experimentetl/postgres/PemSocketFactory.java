package io.experimentetl.postgres;

import io.experimentetl.tls.TlsFiles;
import java.io.IOException;
import java.util.Properties;
import org.postgresql.jdbc.SslMode;
import org.postgresql.ssl.NonValidatingFactory;
import org.postgresql.ssl.WrappedFactory;
import org.postgresql.util.PSQLException;

/**
 * The driver's sockets with TLS, from the same PEM files as all other connections of the job: the
 * driver's own factory reads keys in DER only. The driver compares the host's name itself.
 */
public final class PemSocketFactory extends WrappedFactory {

  /** Called by the driver with a connection's properties. */
  public PemSocketFactory(Properties connection) throws PSQLException, IOException {
    TlsFiles files =
        new TlsFiles(
            connection.getProperty(PostgresTls.CA_FILE),
            connection.getProperty(PostgresTls.CERTIFICATE_FILE),
            connection.getProperty(PostgresTls.KEY_FILE));
    factory =
        (SslMode.of(connection).verifyCertificate()
                ? files.context()
                : files.context(new NonValidatingFactory.NonValidatingTM()))
            .getSocketFactory();
  }
}
