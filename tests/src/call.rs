//! A valid call with one odd thing: `call().at_ms(t).byok("0.0004", "EUR").build()`.

use proto::{
    Amount, Call, Charge, Credits, Currency, EventId, MemberId, Model, OrgId, Provider, ProviderCost, Reason,
};

/// Builds a valid call.
#[derive(Debug, Clone)]
pub struct CallBuilder {
    call: Call,
}

/// A call of Ada's at Acme, now, for 1 credit.
pub fn call() -> CallBuilder {
    let now = service::clock::now_ms();
    CallBuilder {
        call: Call {
            event_id: EventId::from_parts(now, rand::random()),
            org_id: OrgId::new("acme").expect("valid"),
            member_id: MemberId::new("ada").expect("valid"),
            reason: Reason::new("chat").expect("valid"),
            provider: Provider::new("openai").expect("valid"),
            model: Model::new("gpt-6-sol").expect("valid"),
            input_tokens: 1204,
            output_tokens: 310,
            charge: Charge::Credits(Credits(Amount::parse("1").expect("valid"))),
        },
    }
}

impl CallBuilder {
    /// Another organisation.
    pub fn org(mut self, org_id: &str) -> Self {
        self.call.org_id = OrgId::new(org_id).expect("a valid organisation");
        self
    }

    /// Another member.
    pub fn member(mut self, member_id: &str) -> Self {
        self.call.member_id = MemberId::new(member_id).expect("a valid member");
        self
    }

    /// Another reason.
    pub fn reason(mut self, reason: &str) -> Self {
        self.call.reason = Reason::new(reason).expect("a valid reason");
        self
    }

    /// Another provider and model.
    pub fn model(mut self, provider: &str, model: &str) -> Self {
        self.call.provider = Provider::new(provider).expect("a valid provider");
        self.call.model = Model::new(model).expect("a valid model");
        self
    }

    /// Another instant, in Unix milliseconds.
    pub fn at_ms(mut self, unix_ms: i64) -> Self {
        self.call.event_id = EventId::from_parts(unix_ms, rand::random());
        self
    }

    /// Another identity.
    pub fn id(mut self, event_id: EventId) -> Self {
        self.call.event_id = event_id;
        self
    }

    /// Other tokens.
    pub fn tokens(mut self, input: u32, output: u32) -> Self {
        (self.call.input_tokens, self.call.output_tokens) = (input, output);
        self
    }

    /// Charged so many credits.
    pub fn credits(mut self, credits: &str) -> Self {
        self.call.charge = Charge::Credits(Credits(Amount::parse(credits).expect("valid credits")));
        self
    }

    /// BYOK, at this cost.
    pub fn byok(mut self, amount: &str, currency: &str) -> Self {
        self.call.charge = Charge::ProviderCost(ProviderCost {
            amount: Amount::parse(amount).expect("a valid amount"),
            currency: Currency::new(currency).expect("a valid currency"),
        });
        self
    }

    /// The call.
    pub fn build(self) -> Call {
        self.call
    }
}
