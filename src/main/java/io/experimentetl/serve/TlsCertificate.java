package io.experimentetl.serve;

import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** The server's certificate and key, from PEM files. */
final class TlsCertificate {
  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA");

  private TlsCertificate() {}

  /**
   * A context that shows the certificate.
   *
   * @param certificates PEM: the server's, and those up to its CA
   * @param key PEM: PKCS#8, not encrypted
   * @throws OperationsException when a file is not what it should be, or they do not fit
   */
  static SSLContext context(Path certificates, Path key) {
    try (InputStream pem = Files.newInputStream(certificates)) {
      Certificate[] chain =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(pem)
              .toArray(new Certificate[0]);
      if (chain.length == 0) {
        throw new OperationsException(certificates + " has no certificate in PEM");
      }
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      store.setKeyEntry("serve", privateKey(key), new char[0], chain);
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, new char[0]);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), null, null);
      return context;
    } catch (IOException | GeneralSecurityException e) {
      throw new OperationsException(
          "the certificate %s with the key %s cannot be used: %s"
              .formatted(certificates, key, e.getMessage()),
          e);
    }
  }

  private static PrivateKey privateKey(Path file) throws IOException, GeneralSecurityException {
    String pem = Files.readString(file);
    int begin = pem.indexOf("-----BEGIN PRIVATE KEY-----");
    int end = pem.indexOf("-----END PRIVATE KEY-----");
    if (begin < 0 || end < begin) {
      throw new OperationsException(
          "%s has no private key in PKCS#8: convert it with openssl pkcs8 -topk8 -nocrypt"
              .formatted(file));
    }
    byte[] der =
        Base64.getMimeDecoder()
            .decode(pem.substring(begin + "-----BEGIN PRIVATE KEY-----".length(), end).strip());
    for (String algorithm : ALGORITHMS) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
      } catch (InvalidKeySpecException e) {
        // A key of another algorithm.
      }
    }
    throw new OperationsException(file + " has a key that is neither RSA nor EC nor EdDSA");
  }
}
