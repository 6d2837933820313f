package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Bounds of a key in bytes; specification 1.0.0, "Signature scheme".
const minKey, maxKey = 24, 64

// key is the HMAC key that a secret stands for: base64, with or without the
// prefix whsec_, as the upstream libraries read it.
func key(secret string) ([]byte, error) {
	if strings.HasPrefix(secret, "whsk_") || strings.HasPrefix(secret, "whpk_") {
		return nil, errors.New("this is an asymmetric key; a symmetric one (whsec_) is needed")
	}
	k, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, errors.New("not of the form whsec_BASE64") // err would show where
	}
	if len(k) < minKey || len(k) > maxKey {
		return nil, fmt.Errorf("%d bytes long, the Standard Webhooks specification wants %d to %d (openssl rand -base64 32 makes one)", len(k), minKey, maxKey)
	}
	return k, nil
}

// keys reads the secrets. It returns their texts too, which must not be shown.
func keys(secrets []output.Secret) (keys [][]byte, texts []string, err error) {
	for _, s := range secrets {
		text, err := s.Read()
		if err != nil {
			return nil, nil, err
		}
		k, err := key(text)
		if err != nil {
			return nil, nil, fmt.Errorf("secret: %s: %w", s, err)
		}
		keys, texts = append(keys, k), append(texts, text, strings.TrimPrefix(text, "whsec_"))
	}
	return keys, texts, nil
}

// sign makes the value of webhook-signature: one signature for each key, so that
// a receiver may know the old or the new one.
func sign(keys [][]byte, id string, unix int64, body []byte) string {
	var all []string
	for _, k := range keys {
		h := hmac.New(sha256.New, k)
		h.Write([]byte(id + "." + strconv.FormatInt(unix, 10) + "."))
		h.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// batchID is the webhook-id of a request: the same records get the same one, in
// every attempt and after a restart.
func batchID(batch []output.Message) string {
	if len(batch) == 1 {
		return batch[0].ID
	}
	h := sha256.New()
	for _, m := range batch {
		h.Write([]byte(m.ID + "\n")) // an ID has no line ends
	}
	return "batch-" + hex.EncodeToString(h.Sum(nil)[:16])
}
