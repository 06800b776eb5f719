//! A corpus of MCP messages that looks like traffic: small calls, prose, nested JSON, logs, code and tables, about one
//! message in five with something to mask. The same bytes from the same seed.

pub(crate) const SEED: u64 = 20_260_728;
pub(crate) const KINDS: &[&str] = &["call", "prose", "nested JSON", "log", "code", "table"];

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

pub(crate) fn corpus(bytes: usize) -> Vec<Message> {
    let mut random = Random(SEED);
    let (mut corpus, mut sum) = (Vec::new(), 0);
    while sum < bytes {
        let message = random.message();
        sum += message.body.len();
        corpus.push(message);
    }
    corpus
}

/// Numbers that look random and are the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// From a few hundred bytes to 60 KB, most of them small: 8 KB on average.
    fn size(&mut self) -> usize {
        let doublings = (self.below(100) + self.below(100)) as f64 / 200.0 * 7.4;
        (330.0 * doublings.exp2()) as usize + 200
    }

    fn message(&mut self) -> Message {
        let size = self.size();
        let kind = KINDS[[0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5][self.below(12) as usize]];
        let secret = self.below(5) == 0;
        let text = match kind {
            "call" => return Message { kind, body: self.call(secret) },
            "prose" => self.prose(size, secret),
            "nested JSON" => self.nested(size, secret),
            "log" => self.log(size, secret),
            "code" => self.code(size, secret),
            _ => self.table(size, secret),
        };
        Message { kind, body: answer(self.below(1000), &text) }
    }

    fn call(&mut self, secret: bool) -> String {
        let note = if secret { self.secret() } else { self.sentence() };
        serde_json::json!({
            "jsonrpc": "2.0", "id": self.below(100_000), "method": "tools/call",
            "params": {
                "name": self.one(&["search_issues", "read_file", "run_query", "send_message", "list_pods"]),
                "arguments": {
                    "query": self.sentence(), "limit": self.below(100), "cursor": self.hex(24), "note": note,
                    "path": format!("/srv/{}/{}.txt", self.word(), self.word()), "recursive": true,
                },
                "_meta": { "progressToken": self.hex(16) }
            }
        })
        .to_string()
    }

    fn prose(&mut self, size: usize, secret: bool) -> String {
        let mut text = String::with_capacity(size + 64);
        while text.len() < size {
            text.push_str(&self.sentence());
            text.push_str(if self.below(6) == 0 { "\n\n" } else { " " });
            if secret && self.below(30) == 0 {
                text.push_str(&self.secret());
            }
        }
        text
    }

    fn nested(&mut self, size: usize, secret: bool) -> String {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < size {
            let mut item = serde_json::json!({
                "id": self.below(1_000_000), "node_id": self.hex(20), "title": self.sentence(),
                "state": self.one(&["open", "closed"]), "created_at": self.time(), "comments": self.below(40),
                "labels": [{ "name": self.word(), "color": self.hex(6) }],
                "url": format!("https://api.example.org/{}/{}/{}", self.word(), self.word(), self.below(10_000)),
                "body": format!("{}\n- {}\n- {}", self.sentence(), self.word(), self.sentence()),
            });
            if secret && self.below(8) == 0 {
                item["author"] = self.secret().into();
            }
            bytes += 480;
            items.push(item);
        }
        serde_json::json!({ "total": items.len(), "items": items, "nextPageToken": self.hex(16) }).to_string()
    }

    fn log(&mut self, size: usize, secret: bool) -> String {
        let mut text = String::with_capacity(size + 256);
        while text.len() < size {
            let peer = format!("{}.svc:{}", self.word(), self.below(65_000));
            text += &format!(
                "{} {} {} request{{id={} trace={}}} peer={peer} took {}.{} ms status={}\n",
                self.time(),
                self.one(&["INFO", "WARN", "DEBUG", "ERROR"]),
                self.word(),
                self.below(1_000_000),
                self.hex(32),
                self.below(900),
                self.below(1000),
                self.one(&["200", "204", "404", "500"]),
            );
            if secret && self.below(25) == 0 {
                text += &format!("{} INFO login {}\n", self.time(), self.secret());
            }
        }
        text
    }

    fn code(&mut self, size: usize, secret: bool) -> String {
        let mut text = String::with_capacity(size + 256);
        while text.len() < size {
            let (one, other, third) = (self.word(), self.word(), self.word());
            text += &format!(
                "    def {one}_{other}(self, {third}: str, key: int = {}) -> dict:\n        \"\"\"{}\"\"\"\n        \
                 if {third} == \"{other}\" and key > {}:\n            return {{\"{one}\": {third}, \"token_count\": \
                 len({third})}}\n        raise ValueError(f'bad {one}: {{{third}!r}}')\n\n",
                self.below(100),
                self.sentence(),
                self.below(1000),
            );
            if secret && self.below(20) == 0 {
                text += &format!("    # {}\n", self.secret());
            }
        }
        text
    }

    fn table(&mut self, size: usize, secret: bool) -> String {
        let mut text = String::from("id,name,amount,updated_at,checksum,ratio\n");
        while text.len() < size {
            text += &format!(
                "{},{},{}.{:02},{},{},0.{}\n",
                self.below(10_000_000),
                self.word(),
                self.below(10_000),
                self.below(100),
                self.time(),
                self.hex(16),
                self.below(1_000_000)
            );
            if secret && self.below(25) == 0 {
                text += &format!("{}\n", self.secret());
            }
        }
        text
    }

    fn sentence(&mut self) -> String {
        let words: Vec<_> = (0..6 + self.below(12)).map(|_| self.word()).collect();
        let mut sentence = words.join(" ");
        if self.below(4) == 0 {
            sentence += &format!(", see page {} of {}", self.below(90), self.below(400));
        }
        sentence + "."
    }

    fn word(&mut self) -> &'static str {
        self.one(WORDS)
    }

    fn time(&mut self) -> String {
        format!(
            "2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            1 + self.below(12),
            1 + self.below(28),
            self.below(24),
            self.below(60),
            self.below(60),
            self.below(1000)
        )
    }

    fn hex(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    fn letters(&mut self, length: usize) -> String {
        const ALL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(ALL[self.below(62) as usize])).collect()
    }

    /// Put together, so that no source holds one.
    fn secret(&mut self) -> String {
        match self.below(8) {
            0 => format!("{}.{}@example.org", self.word(), self.word()),
            1 => ["ghp_", &self.letters(36)].concat(),
            2 => ["password=", &self.letters(14)].concat(),
            3 => ["AKIA", &self.letters(16).to_uppercase()].concat(),
            4 => format!("10.{}.{}.{}", self.below(250), self.below(250), 1 + self.below(250)),
            5 => ["4111 1111 ", "1111 1111"].concat(),
            6 => format!("+49 30 {}", 100_000 + self.below(800_000)),
            _ => format!("Authorization: Bearer {}", self.letters(40)),
        }
    }
}

fn answer(id: u64, text: &str) -> String {
    serde_json::json!({
        "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": text }], "isError": false }
    })
    .to_string()
}

const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "all",
    "her",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "no",
    "more",
    "if",
    "out",
    "so",
    "up",
    "said",
    "what",
    "its",
    "about",
    "than",
    "into",
    "them",
    "can",
    "only",
    "other",
    "time",
    "new",
    "some",
    "could",
    "these",
    "two",
    "may",
    "first",
    "then",
    "do",
    "any",
    "like",
    "my",
    "now",
    "over",
    "such",
    "our",
    "man",
    "me",
    "even",
    "most",
    "made",
    "after",
    "also",
    "well",
    "did",
    "many",
    "before",
    "must",
    "years",
    "back",
    "through",
    "much",
    "where",
    "your",
    "way",
    "down",
    "should",
    "because",
    "long",
    "each",
    "just",
    "state",
    "those",
    "people",
    "too",
    "how",
    "little",
    "good",
    "world",
    "make",
    "very",
    "year",
    "still",
    "see",
    "own",
    "work",
    "men",
    "day",
    "get",
    "here",
    "between",
    "both",
    "life",
    "being",
    "under",
    "three",
    "never",
    "know",
    "same",
    "last",
    "another",
    "while",
    "us",
    "off",
    "might",
    "great",
    "go",
    "come",
    "since",
    "against",
    "right",
    "came",
    "take",
    "used",
    "himself",
    "few",
    "house",
    "use",
    "place",
    "during",
    "without",
    "again",
    "home",
    "around",
    "small",
    "however",
    "found",
    "thought",
    "went",
    "say",
    "part",
    "once",
    "general",
    "high",
    "upon",
    "school",
    "every",
    "deployment",
    "release",
    "pipeline",
    "cluster",
    "service",
    "request",
    "response",
    "container",
    "database",
    "schema",
    "keyboard",
    "passing",
    "author",
    "telling",
    "spinning",
    "security",
    "authority",
    "mobile",
    "monkey",
    "compass",
    "tokenizer",
    "secretary",
    "passage",
    "hotkey",
    "pinned",
    "cookies",
    "build",
    "failed",
    "succeeded",
];
